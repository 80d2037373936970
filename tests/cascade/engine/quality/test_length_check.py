"""Is the length that was asked for kept?"""

from collections.abc import Callable
from time import process_time

import pytest

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.length import Demand, check_length, demand_in

MakeDraft = Callable[..., Draft]


@pytest.mark.parametrize(
    ("prompt", "demand"),
    [
        ("Explain it in exactly two sentences", Demand(2, 2, "sentence", roughly=False)),
        ("Write about 100 words on cats", Demand(100, 100, "word", roughly=True)),
        ("Summarise it in under 50 words", Demand(0, 50, "word", roughly=False)),
        ("in 160 characters or less", Demand(0, 160, "character", roughly=False)),
        ("Write a 500-word essay", Demand(500, 500, "word", roughly=False)),
        ("Give at least 3 bullet points", Demand(3, None, "bullet", roughly=False)),
        ("No more than three paragraphs, please", Demand(0, 3, "paragraph", roughly=False)),
    ],
)
def test_a_demand_is_read_as_people_mean_it(prompt: str, demand: Demand) -> None:
    assert demand_in(prompt) == demand


@pytest.mark.parametrize("prompt", ["Which of three words is right?", "Write a sentence", "Each day summarised in 160 characters", "", "5 words"])
def test_what_is_no_demand_on_the_whole_answer_is_none(prompt: str) -> None:
    assert demand_in(prompt) is None


def test_a_draft_of_the_length_asked_for_passes_and_a_little_over_too(draft: MakeDraft) -> None:
    assert check_length(draft("word " * 50, prompt="Describe it in at most 50 words")).score == 1
    assert check_length(draft("word " * 56, prompt="Describe it in at most 50 words")).score == 1


def test_twice_as_long_as_asked_fails_in_words(draft: MakeDraft) -> None:
    found = check_length(draft("word " * 120, prompt="Describe it in at most 60 words"))
    assert found.score == 0
    assert found.reason == "The draft has 120 words where the prompt asks for at most 60"
    assert not found.fatal


def test_sentences_and_bullets_are_counted(draft: MakeDraft) -> None:
    assert check_length(draft("It is red. It is big.", prompt="Answer in exactly two sentences")).score == 1
    assert check_length(draft("It is red.", prompt="Answer in exactly two sentences")).score == 0.5
    assert check_length(draft("- a\n- b", prompt="Give at least 3 bullet points")).score < 1


def test_code_and_tool_calls_have_no_length(draft: MakeDraft) -> None:
    assert check_length(draft("```python\n" + "x = 1\n" * 50 + "```", prompt="in at most 10 words")).score == 1


@pytest.mark.parametrize("unit", ["in 9", "at most ", "write a ", "in one word ", "word ", "about 99999 words or less "])
def test_a_megabyte_of_anything_takes_bounded_time(draft: MakeDraft, unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = process_time()
    check_length(draft(text, prompt=text))
    assert process_time() - start < 0.05
