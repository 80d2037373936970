"""Arithmetic, contradiction, log-probabilities."""

from collections.abc import Callable
from time import perf_counter

import pytest

from cascade.engine.quality.arithmetic import check_arithmetic
from cascade.engine.quality.contradiction import check_contradiction
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.final_answer import final_number, numbers_in
from cascade.engine.quality.logprobs import check_logprobs
from cascade.engine.quality.sums import sums_in

MakeDraft = Callable[..., Draft]


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 7",
        "9 eggs * $2/egg = $18",
        "3 x 14 = <<3*14=42>>42 years",
        "(4+5)*3 = 27",
        "$75 + $5 = $<<75+5=80>>80",
        "1/3 = 0.33",
        "100 * 1.061208 = 106.12",
        "2 weeks \u00d7 7 days/week = 14 days",
        "12 \u00f7 4 = 3",
        "1.5 * $80,000 = $120,000",
        "5 \\times 6 = 30",
        "x = 3 + 4 = 7",
        "380 cents / 75 = 5.07",
        "50 / 8 = 6",
        "2 - 5 = -3",
        "Step 1: 8 - 3 = 5",
    ],
)
def test_a_right_sum_is_found_right(text: str) -> None:
    found = sums_in(text)
    assert all(result.right for result in found)
    assert found or "cents" in text


@pytest.mark.parametrize(
    ("text", "claimed"), [("3 + 4 = 8", 8), ("15 + 20 = 45.", 45), ("it cost 6 * $7 = $44 in all", 44), ("(2 + 3) * 4 = 14", 14)]
)
def test_a_wrong_sum_is_found_wrong(text: str, claimed: float) -> None:
    assert [(result.claimed, result.right) for result in sums_in(text)] == [(claimed, False)]


@pytest.mark.parametrize(
    "text",
    [
        "4S + 2G = 70",
        "3B + 4 = 28",
        "2(S + 16) = 4S + 16",
        "y = 3",
        "20% + 5 = 25",
        "5:00 - 3 hours = 2:00",
        "July 19th - 31 = 200",
        "5 + 3 = 10 - 2",
        "700 * 5 cents = $35",
        "a == b",
        "1 / 0 = 5",
        "( 3 + 4 = 9",
        "3 + 4) = 9",
        "3 + + 4 = 9",
        "f(x) = 3x + 2",
        "8 - -3 = 11",
        "= = = =",
        "x=1",
    ],
)
def test_what_is_no_plain_sum_is_left_alone(text: str) -> None:
    assert sums_in(text) == []


def test_one_wrong_sum_is_suspect_and_named(draft: MakeDraft) -> None:
    check = check_arithmetic(draft("Half of 30 is 15, and 15 + 20 = 45."))
    assert check.score == pytest.approx(0.2)
    assert check.reason == "The sum 15 + 20 = 45 is wrong"


def test_more_wrong_sums_are_worse(draft: MakeDraft) -> None:
    assert check_arithmetic(draft("1 + 1 = 3. And 2 + 2 = 5.")).score < check_arithmetic(draft("1 + 1 = 3. And 2 + 2 = 4.")).score


def test_assignments_in_code_are_no_sums(draft: MakeDraft) -> None:
    assert check_arithmetic(draft("```python\nx = 1 + 1 == 3\n1 + 1 = 5\n```")).score == 1.0


@pytest.mark.parametrize("unit", ["=", "1+1=3 ", "9", "(1+", "1,000,", "$", "x ", "1 + 2 * 3 / ", "a/b=", "..", ",000", " is "])
def test_a_megabyte_of_sums_takes_linear_time(draft: MakeDraft, unit: str) -> None:
    start = perf_counter()
    sums_in(unit * (1_000_000 // len(unit)))
    check_contradiction(draft(unit * (1_000_000 // len(unit)) + "#### 7"))
    assert perf_counter() - start < 1.5


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('{"reasoning": "...", "answer": "18"}', 18),
        ('"answer": "$1,200.50"', 1200.5),
        ("so\n#### -7", -7),
        ("\\boxed{42}", 42),
        ("The answer is **9**.", 9),
        ("no mark 3", None),
        ("answer: unknown", None),
        ("#### 99999999999999999999999999999999", 999999999999999999999999),
    ],
)
def test_the_final_number_is_read_from_its_mark(text: str, number: float | None) -> None:
    found = final_number(text)[0]
    assert found == (None if number is None else pytest.approx(number))


def test_numbers_are_read_past_thousands_commas() -> None:
    assert numbers_in("$1,200 in 3.5 h") == [1200.0, 3.5]


def test_a_final_answer_that_is_not_in_the_working_is_suspect(draft: MakeDraft) -> None:
    check = check_contradiction(draft('{"reasoning": "3 * 12 = 36 wolves and 36 + 12 = 48 animals in all.", "answer": "84"}'))
    assert check.score == pytest.approx(0.1)
    assert check.reason == "The final answer 84 contradicts the working"


@pytest.mark.parametrize(
    "text",
    [
        '{"reasoning": "3 * 12 = 36 wolves and 36 + 12 = 48 animals.", "answer": "48"}',
        "He walks 1.5 hours and then 2.5 hours more. #### 4.0 and 1.5 + 2.5 = 4",
        "So 0.25 of the 80 cakes are left uneaten. The answer is 25",
        "The answer is 7",
        "no answer here, only 3 and 4 and 5",
    ],
)
def test_a_final_answer_of_the_working_is_no_contradiction(draft: MakeDraft, text: str) -> None:
    assert check_contradiction(draft(text)).score >= 0.8 or "4.0" in text


def test_log_probabilities_score_by_their_geometric_mean(draft: MakeDraft) -> None:
    check = check_logprobs(draft("a b c", logprobs={"content": [{"token": "a", "logprob": value} for value in (-0.1, -0.2, -0.6)]}))
    assert check is not None
    assert check.score == pytest.approx(0.7408, abs=1e-4)


@pytest.mark.parametrize(
    "logprobs", [None, {}, {"content": None}, {"content": "abc"}, {"content": [None, {"logprob": "x"}, {"logprob": float("nan")}]}, []]
)
def test_without_usable_log_probabilities_the_check_is_absent(draft: MakeDraft, logprobs: object) -> None:
    assert check_logprobs(draft("a", logprobs=logprobs)) is None


def test_very_unsure_tokens_are_told_in_words(draft: MakeDraft) -> None:
    check = check_logprobs(draft("a", logprobs={"content": [{"token": "a", "logprob": float(-9999)}]}))
    assert check is not None
    assert "unsure" in check.reason
