"""How hard assess_complexity finds prompts."""

from time import perf_counter

import pytest

from cascade.engine.complexity import COMPLEXITIES, assess_complexity, complexity_points


@pytest.mark.parametrize(
    ("text", "domain", "level"),
    [
        ("hi", "general", "trivial"),
        ("What is the capital of France?", "general", "trivial"),
        ("Write a function to reverse a string in Python", "code", "simple"),
        ("Prove that sqrt(2) is irrational.", "math", "moderate"),
    ],
)
def test_a_prompt_gets_the_level_a_person_would_give(text: str, domain: str, level: str) -> None:
    assert assess_complexity(text, domain=domain) == level


def test_a_long_list_of_demands_with_hard_words_is_expert_work() -> None:
    text = (
        "Design a distributed consensus protocol and prove its safety. Compare the trade-offs with Raft, explain why each must hold, and:\n"
        "- derive the asymptotic message cost\n- implement the leader election\n- evaluate 3 failure scenarios with 5, 7 and 9 nodes\n"
        "- justify the architecture without assuming synchrony\nWhat if clocks drift? How would you migrate?"
    )
    assert assess_complexity(text, domain="code") == "expert"


def test_more_of_the_same_task_is_never_easier() -> None:
    levels = [
        COMPLEXITIES.index(assess_complexity("Explain step %d of the plan. " * n % tuple(range(n)), domain="general"))
        for n in (1, 5, 40, 300)
    ]
    assert levels == sorted(levels)


def test_the_points_explain_the_level() -> None:
    points = complexity_points("Prove that sqrt(2) is irrational.", domain="math")
    assert points["expert words"] == 2.0
    assert points["domain"] == 0.8
    assert sum(points.values()) == pytest.approx(3.25, abs=0.01)


def test_an_unknown_domain_costs_nothing_extra() -> None:
    assert complexity_points("hi", domain="viticulture")["domain"] == 0.0


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "?" * 1_000_000, "1." * 500_000, "\n- " * 300_000, "a " * 500_000])
def test_hostile_text_is_assessed_in_bounded_time(text: str) -> None:
    start = perf_counter()
    assert assess_complexity(text, domain="general") in COMPLEXITIES
    assert perf_counter() - start < 0.1
