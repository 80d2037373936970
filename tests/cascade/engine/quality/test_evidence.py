"""The measurements: what a solution and a program look like."""

from collections.abc import Callable

import pytest

from cascade.engine.quality.combine import acceptability
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.evidence import evidence_of, kind_of
from cascade.engine.quality.program import shape_of
from cascade.engine.quality.solution import measure_solution

MakeDraft = Callable[..., Draft]
QUESTION = "Ann has 12 apples and three bags. She splits them equally. How many apples are in each bag?"


def test_a_number_that_the_working_never_uses_is_left_unused(draft: MakeDraft) -> None:
    used = measure_solution(draft("12 apples / 3 bags = 4 apples.\n#### 4", prompt=QUESTION, domain="math"))
    unused = measure_solution(draft("There are 12 apples.\n#### 12", prompt=QUESTION, domain="math"))
    assert used["numbers left unused"] == 0
    assert unused["numbers left unused"] == 1, "three, written as a word"


@pytest.mark.parametrize(
    ("answer", "sign"), [("6.5", "answer not whole"), ("0", "answer is 0"), ("-3", "answer negative"), ("4 apples", "last sum is the answer")]
)
def test_an_answer_that_such_a_question_seldom_has_is_noted(draft: MakeDraft, answer: str, sign: str) -> None:
    measured = measure_solution(draft(f"12 / 3 = 4 apples.\n#### {answer}", prompt=QUESTION, domain="math"))
    assert measured[sign] == 1


def test_an_answer_field_that_holds_a_sentence_is_noted(draft: MakeDraft) -> None:
    text = '{"reasoning": "12 / 3 = 4", "answer": "Each bag has 4"}'
    assert measure_solution(draft(text, prompt=QUESTION, domain="math"))["answer in words"] == 1


@pytest.mark.parametrize(
    ("source", "sign"),
    [
        ("def f(a):\n    return a + c\n", "undefined names"),
        ("def f(a):\n    a.append(1)\n", "returns nothing"),
        ("def f(a, b):\n    return a\n", "unused arguments"),
        ("def f(a):\n    if a:\n        return 1\n    return None\n", "may return None"),
    ],
)
def test_a_weakness_of_a_function_is_seen_without_running_it(draft: MakeDraft, source: str, sign: str) -> None:
    assert shape_of(draft(source), source)[sign] == 1


def test_a_sound_function_shows_none_of_them(draft: MakeDraft) -> None:
    source = "import math\n\ndef f(a, *, b=2):\n    try:\n        return [math.pow(x, b) for x in a]\n    except ValueError as e:\n        raise e\n"
    shape = shape_of(draft(source), source)
    assert {shape[name] for name in ("undefined names", "returns nothing", "unused arguments", "may return None")} == {0}


@pytest.mark.parametrize("source", ["def f(:", "def " * 2_000, "def f():" + "(" * 5_000, "x" * 100_000, ""])
def test_what_does_not_parse_measures_nothing(draft: MakeDraft, source: str) -> None:
    assert set(shape_of(draft(source), source).values()) == {0}


def test_a_question_of_quantities_with_a_plain_answer_is_prose(draft: MakeDraft) -> None:
    """A domain alone makes no sum: "how did they get away for so long in the 70s" was judged as a solution once."""
    text = "They were careful and moved often."
    assert kind_of(draft(text, prompt="How long did they hide?", domain="math")) == "prose"
    assert kind_of(draft("It is 4.", prompt=QUESTION + " 12 of 24?", domain="math")) == "worked"


def test_a_measurement_beyond_the_fit_counts_as_its_edge(draft: MakeDraft) -> None:
    measured = dict(evidence_of(draft("word " * 400, prompt="Tell me a tale"), kind="prose"))
    far = {**measured, "log draft words": 100.0}
    farther = {**measured, "log draft words": 1_000.0}
    assert acceptability(kind="prose", evidence=far, checks=()) == acceptability(kind="prose", evidence=farther, checks=())
