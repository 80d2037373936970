"""The decision: what is accepted, what is rejected, and with which words."""

import random
from collections.abc import Callable, Mapping
from time import process_time
from typing import Any

import pytest

from cascade.engine.quality.validator import QualityValidator
from cascade.engine.values import Completion, ValidationResult

MakeCompletion = Callable[..., Completion]
PROMPT = "A shop sells 3 pens for $2 each and 4 books for $5 each. How many dollars does it earn?"
GOOD = "The pens bring 3 * 2 = 6 dollars and the books bring 4 * 5 = 20 dollars, so it earns 6 + 20 = 26 dollars.\n#### 26"


def judge(
    completion: Completion,
    *,
    prompt: str = PROMPT,
    parameters: Mapping[str, Any] | None = None,
    preset: Any = "balanced",
    domain: str = "math",
    threshold: float | None = None,
) -> ValidationResult:
    return QualityValidator(preset=preset).validate(
        prompt=prompt, completion=completion, parameters=parameters or {}, domain=domain, complexity="simple", threshold=threshold
    )


def test_a_sound_worked_solution_is_accepted(completion: MakeCompletion) -> None:
    result = judge(completion(GOOD))
    assert result.accepted
    assert result.score >= result.threshold
    assert result.reason.startswith("Accepted")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (GOOD.replace("6 + 20 = 26", "6 + 20 = 36").replace("#### 26", "#### 36"), "The sum 6 + 20 = 36 is wrong"),
        (GOOD.replace("#### 26", "#### 62"), "The final answer 62 contradicts the working"),
        ("I'm sorry, but I can't help with that.", "refuses"),
    ],
)
def test_a_faulty_draft_is_rejected_with_its_reason_in_words(completion: MakeCompletion, text: str, words: str) -> None:
    result = judge(completion(text))
    assert not result.accepted
    assert words in result.reason


def test_a_cut_draft_is_rejected_in_the_documented_words(completion: MakeCompletion) -> None:
    result = judge(completion(GOOD[:60], finish_reason="length"))
    assert not result.accepted
    assert result.reason == "The draft is cut off (finish_reason length)"
    assert result.score <= 0.02


def test_a_fatal_check_rejects_whatever_the_threshold(completion: MakeCompletion) -> None:
    assert not judge(completion(GOOD, finish_reason="length"), threshold=0.0).accepted


def test_every_rejection_has_a_reason(completion: MakeCompletion) -> None:
    result = judge(completion(GOOD), threshold=1.01)
    assert not result.accepted
    assert "1.01 needed" in result.reason


def test_the_callers_threshold_decides(completion: MakeCompletion) -> None:
    score = judge(completion(GOOD)).score
    assert judge(completion(GOOD), threshold=score).accepted
    assert not judge(completion(GOOD), threshold=score + 0.001).accepted


def test_tool_calls_without_text_are_accepted_and_broken_ones_are_not(completion: MakeCompletion) -> None:
    tools = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "required": ["x"]}}}]}
    good = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    bad = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": '}}]
    for domain in ("math", "code", "medical", "general"):
        assert judge(completion(None, tool_calls=good, finish_reason="tool_calls"), parameters=tools, domain=domain).accepted
        assert not judge(completion(None, tool_calls=bad, finish_reason="tool_calls"), parameters=tools, domain=domain).accepted


def test_a_prompt_with_what_is_and_total_keeps_every_check(completion: MakeCompletion) -> None:
    """Fault 31 of the field: such words switched hedging and length checks off there."""
    prompt = "What is the total assumed by the mayor in his address?"
    names = {check.name for check in judge(completion("Perhaps."), prompt=prompt, domain="general").checks}
    assert {
        "emptiness",
        "truncation",
        "refusal",
        "hedging",
        "repetition",
        "relevance",
        "language",
        "json",
        "tools",
        "code",
        "arithmetic",
    } <= names


def test_a_function_signature_in_the_draft_is_seen(completion: MakeCompletion) -> None:
    """Fault 32 of the field: the signature's pattern there was escaped twice and never matched."""
    with_definition = judge(completion("```python\ndef add(a, b):\n    return a + b\n```"), prompt="Write add in Python", domain="code")
    without = judge(completion("```python\na + b\n```"), prompt="Write add in Python", domain="code")
    assert with_definition.score > without.score


def test_strict_accepts_no_more_than_balanced_and_fast_no_less(completion: MakeCompletion) -> None:
    drafts = [GOOD, GOOD[:80], "Maybe 26.", "26", "Perhaps it is 30, I am not sure."]
    for text in drafts:
        fast, balanced, strict = (judge(completion(text), preset=preset) for preset in ("fast", "balanced", "strict"))
        assert fast.threshold < balanced.threshold < strict.threshold
        assert fast.accepted >= balanced.accepted >= strict.accepted


def test_strict_lets_one_bad_check_reject_alone(completion: MakeCompletion) -> None:
    german = "Das ist eine Antwort auf die Frage und sie ist nicht sehr lang, aber der Leser kann mit ihr zufrieden sein."
    prompt = "What is the best way to learn how to play the piano for a person that is not young?"
    assert not judge(completion(german), prompt=prompt, domain="general", preset="strict", threshold=0.0).accepted


def test_unsure_tokens_lower_the_score(completion: MakeCompletion) -> None:
    def with_logprob(value: float) -> float:
        return judge(completion(GOOD, logprobs={"content": [{"token": "a", "logprob": value}]})).score

    assert with_logprob(-1.5) < with_logprob(-0.105) < with_logprob(-0.001)


def test_the_same_draft_gets_the_same_verdict(completion: MakeCompletion) -> None:
    assert judge(completion(GOOD)) == judge(completion(GOOD))


@pytest.mark.parametrize("content", [None, [], [{"type": "text", "text": "x"}], 7])
def test_content_that_is_no_text_is_judged_as_empty(completion: MakeCompletion, content: Any) -> None:
    assert not judge(completion(content)).accepted


HOSTILE = [
    "a",
    "```",
    "```python\n",
    "{",
    "[1,",
    "=",
    "1+1=3 ",
    "\x00",
    "\ud800",
    "\u4e2d",
    "#### ",
    '"answer": ',
    "\\boxed{",
    "\n",
    " ",
    "I don't know ",
    "<<",
    "/*",
    "'",
    "((((",
    "9",
    "9,",
    "\u2019",
    "\U0001f600",
    "```js\n`",
    "answer is ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_anything_is_judged_in_bounded_time(completion: MakeCompletion, unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = process_time()
    for domain in ("general", "math", "code"):
        judge(completion(text), prompt=text, domain=domain)
    judge(completion(text), prompt="json", parameters={"response_format": {"type": "json_object"}})
    assert process_time() - start < 1.0


def test_random_mixtures_never_raise(completion: MakeCompletion) -> None:
    chance = random.Random(7)
    for _ in range(300):
        text = "".join(chance.choice([*HOSTILE, "def f(", "the ", "3 * 4 = ", "12", "\n- ", ". "]) for _ in range(chance.randrange(60)))
        judge(
            completion(text),
            prompt=text[::-1],
            domain=chance.choice(["general", "math", "code"]),
            preset=chance.choice(["fast", "balanced", "strict"]),
        )
