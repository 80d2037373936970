"""Emptiness, truncation, refusal, hedging, repetition, relevance, language."""

from collections.abc import Callable

import pytest

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.emptiness import check_emptiness
from cascade.engine.quality.language import check_language
from cascade.engine.quality.refusal import check_hedging, check_refusal
from cascade.engine.quality.relevance import check_relevance
from cascade.engine.quality.repetition import check_repetition
from cascade.engine.quality.truncation import check_truncation

MakeDraft = Callable[..., Draft]
TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}


@pytest.mark.parametrize("text", ["", "   \n", "\x00", "\u200b", "null", "...", "{}", "--- ---", None])
def test_a_draft_without_words_is_empty(draft: MakeDraft, text: str | None) -> None:
    check = check_emptiness(draft(text))
    assert check.fatal
    assert check.reason


@pytest.mark.parametrize("text", ["7", "Yes", "\u662f"])
def test_a_short_answer_is_not_empty(draft: MakeDraft, text: str) -> None:
    assert check_emptiness(draft(text)).score == 1.0


def test_tool_calls_without_text_are_an_answer(draft: MakeDraft) -> None:
    assert check_emptiness(draft(None, tool_calls=[TOOL_CALL])).score == 1.0
    assert check_emptiness(draft(None, function_call={"name": "f", "arguments": "{}"})).score == 1.0


def test_an_empty_list_is_an_answer_where_json_was_asked_for(draft: MakeDraft) -> None:
    assert check_emptiness(draft("[]", parameters={"response_format": {"type": "json_schema"}})).score < 1
    assert (
        check_emptiness(draft("[]", parameters={"response_format": {"type": "json_schema"}})).reason == "The draft has no letters or digits"
    )


def test_finish_reason_length_rejects_in_words(draft: MakeDraft) -> None:
    check = check_truncation(draft("The capital of", finish_reason="length"))
    assert check.fatal
    assert check.reason == "The draft is cut off (finish_reason length)"


def test_an_answer_cut_by_the_callers_own_tiny_cap_is_what_was_asked_for(draft: MakeDraft) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        assert check_truncation(draft("The capital of", finish_reason="length", parameters={name: 16})).score == 1.0
    assert check_truncation(draft("The capital of", finish_reason="length", parameters={"max_tokens": 800})).fatal


def test_a_filtered_draft_is_rejected(draft: MakeDraft) -> None:
    assert check_truncation(draft("I will", finish_reason="content_filter")).fatal


@pytest.mark.parametrize(
    "text",
    [
        "Here is the code:\n```python\ndef f():\n    return",
        "He has 14 eggs. She takes away 4 of them, which in the end gives them a total of 10 = <<14-",
        "The first reason is cost. The second reason is that the team would have to maintain and",
    ],
)
def test_a_text_that_stops_midway_is_suspect(draft: MakeDraft, text: str) -> None:
    check = check_truncation(draft(text))
    assert check.score < 0.5
    assert not check.fatal
    assert check.reason.startswith("The draft seems cut off")


@pytest.mark.parametrize(
    "text", ["Paris", "It is Paris.", "- one\n- two\n- three", "x = 3\ny = 4", "Sure! Here: https://example.com/a/b/c"]
)
def test_a_text_that_ends_is_not_suspect(draft: MakeDraft, text: str) -> None:
    assert check_truncation(draft(text)).score == 1.0


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't help with that.", "I cannot assist with this request.", "As an AI language model, I have no body."]
)
def test_a_refusal_rejects(draft: MakeDraft, text: str) -> None:
    assert check_refusal(draft(text)).fatal
    assert check_refusal(draft(text.replace("'", "\u2019"))).fatal


def test_a_provider_marked_refusal_rejects(draft: MakeDraft) -> None:
    assert check_refusal(draft("", refusal="No.")).fatal


def test_words_of_refusal_inside_a_long_answer_belong_to_its_subject(draft: MakeDraft) -> None:
    text = (
        "A good support script has five parts. " * 20
        + 'Never let an agent say "I cannot help you". '
        + "Offer an alternative instead. " * 20
    )
    assert check_refusal(draft(text)).score == 1.0


@pytest.mark.parametrize(
    "text", ["I don't know, maybe Lyon?", "Could you please provide more context?", "I'm not sure, but it might be blue."]
)
def test_not_knowing_is_suspect_but_not_fatal(draft: MakeDraft, text: str) -> None:
    check = check_refusal(draft(text))
    assert check.score < 0.5
    assert not check.fatal


def test_hedging_scores_by_its_rate(draft: MakeDraft) -> None:
    words = ["word"] * 197
    assert check_hedging(draft(" ".join([*words, "perhaps", "maybe", "might"]))).score == pytest.approx(0.5)
    assert check_hedging(draft("It is 7.")).score == 1.0
    assert check_hedging(draft("perhaps maybe possibly might")).reason


def test_the_month_and_the_mayor_are_no_hedges(draft: MakeDraft) -> None:
    assert check_hedging(draft("The mayor visits in May; it may rain.")).score == 1.0


def test_a_loop_at_the_end_rejects(draft: MakeDraft) -> None:
    assert check_repetition(draft("Let us see. " + "and then we go on to the next step again " * 30)).fatal


def test_the_same_line_over_and_over_is_suspect(draft: MakeDraft) -> None:
    text = "\n".join(
        ["The answer to the question is four."] * 3 + ["Let me check the answer again."] * 4 + ["And so on it goes, for ever."]
    )
    assert check_repetition(draft(text)).score < 0.5


def test_tables_and_code_may_repeat_short_lines(draft: MakeDraft) -> None:
    assert check_repetition(draft("```js\n" + "  }\n" * 30 + "```\nThat closes thirty blocks of the program.")).score == 1.0


def test_an_answer_about_something_else_is_irrelevant(draft: MakeDraft) -> None:
    prompt = "How do I configure nginx as a reverse proxy for a websocket backend?"
    off = draft("Bananas contain potassium and taste best when their skin is yellow with brown dots.", prompt=prompt)
    on = draft("Use proxy_pass with the Upgrade header in the nginx location of your websocket backend.", prompt=prompt)
    assert check_relevance(off).score == 0.0
    assert check_relevance(off).reason
    assert check_relevance(on).score == 1.0


def test_a_name_or_number_answers_without_repeating_the_question(draft: MakeDraft) -> None:
    assert check_relevance(draft("Canberra.", prompt="Which city is the seat of government of Australia since 1927?")).score == 1.0


GERMAN = "Das ist eine Antwort auf die Frage und sie ist nicht sehr lang, aber der Leser kann mit ihr zufrieden sein."
ENGLISH = "What is the best way to learn how to play the piano for a person that is not young?"


def test_an_answer_in_another_language_fails(draft: MakeDraft) -> None:
    check = check_language(draft(GERMAN, prompt=ENGLISH))
    assert check.score == 0.0
    assert check.reason == "The prompt is in English, the draft in German"


def test_an_answer_in_another_script_fails(draft: MakeDraft) -> None:
    check = check_language(
        draft(
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430 \u0441\u0435\u0433\u043e\u0434\u043d\u044f?",
            prompt=ENGLISH,
        )
    )
    assert check.score == 0.0
    assert "Cyrillic" in check.reason


@pytest.mark.parametrize("prompt", ["Translate this into German: hello", GERMAN, "hi"])
def test_a_wanted_or_unknowable_language_passes(draft: MakeDraft, prompt: str) -> None:
    assert check_language(draft(GERMAN, prompt=prompt)).score == 1.0
