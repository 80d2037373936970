"""How much the strong model would gain: an order of prompts, not a verdict."""

import pytest

from bench.difficulty import form_of, measure, strong_model_gain
from bench.difficulty_weights import WEIGHTS

OPTIONS = "Which of these is a mammal?\nA. a bat\nB. a trout\nC. a wren\nD. a toad"
QUANTITIES = "Ann has 12 apples and gives away a third. How many are left?"


@pytest.mark.parametrize(
    ("text", "domain", "form"),
    [(OPTIONS, "general", "options"), (QUANTITIES, "math", "quantities"), ("How do I get to Rome?", "general", "open"), ("", "general", "open")],
)
def test_a_prompt_has_a_form(text: str, domain: str, form: str) -> None:
    assert form_of(text, domain=domain) == form


def test_more_steps_gain_more() -> None:
    harder = QUANTITIES.replace("gives away a third", "gives away a third, then buys twice as many as she has left, and sells a quarter at a profit")
    assert strong_model_gain(harder, domain="math") > strong_model_gain(QUANTITIES, domain="math")


def test_sums_and_code_gain_more_than_tales() -> None:
    tale = strong_model_gain("Write a story about a cat", domain="general")
    assert strong_model_gain("Solve the equation for x and prove it", domain="math") > tale
    assert strong_model_gain("Implement a recursive function", domain="code") > tale


def test_options_that_look_alike_gain_more() -> None:
    alike = "Pick one.\nA. the cell wall grows\nB. the cell wall shrinks\nC. the cell wall breaks"
    unlike = "Pick one.\nA. a green apple here\nB. two old books there\nC. rain over night"
    assert strong_model_gain(alike, domain="general") > strong_model_gain(unlike, domain="general")


@pytest.mark.parametrize("text", ["", " ", "A.", "A. \nB. ", "\x00", "\ud800", "how many 1 2", "A. x\n" * 50])
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(strong_model_gain(text, domain="math"), float)


def test_every_measurement_has_a_weight_and_every_weight_a_measurement() -> None:
    for form, text in (("options", OPTIONS), ("quantities", QUANTITIES), ("open", "x")):
        assert {*measure(text, form=form, domain="math"), "intercept"} == set(WEIGHTS[form])  # type: ignore[arg-type]
