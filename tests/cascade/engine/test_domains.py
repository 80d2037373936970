"""What DomainDetector finds, and what it must not find."""

from time import process_time

import pytest

from cascade.engine.domains import BUILT_IN_RULES, DOMAINS, DomainDetector, KeywordRule, words_of

DETECTOR = DomainDetector()


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("How do I reverse a linked list in Python?", "code"),
        ("def add(a, b):\n    return a + b", "code"),
        ("Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'", "code"),
        ("```\nfoo(bar)\n```\nWhat does this print?", "code"),
        ("What dose of amoxicillin for a child with otitis media?", "medical"),
        ("Patient with E11.9, metformin 500mg twice daily.", "medical"),
        ("Is the indemnification clause enforceable?", "legal"),
        ("What does 42 U.S.C. \u00a7 1983 allow the plaintiff to claim?", "legal"),
        ("Solve \\frac{x}{2} + 3 = 7 for x.", "math"),
        ("Tom has 3 apples and buys 4 more. How many apples does he have?", "math"),
        ("List the names of all singers, ordered by age in descending order.", "data"),
        ("Show revenue by month over month for each product in the last quarter.", "data"),
        ("Who won the world cup in 1998?", "general"),
        ("Write a poem for my mother's birthday", "general"),
    ],
)
def test_a_plain_prompt_finds_its_domain(text: str, domain: str) -> None:
    assert DETECTOR.detect(text).domain == domain


def test_a_keyword_never_matches_inside_another_word() -> None:
    detector = DomainDetector(rules=[KeywordRule("math", "sum", 9.0), KeywordRule("math", "add", 9.0), KeywordRule("math", "may", 9.0)])
    match = detector.detect("I assume the mayor's address is in the summary.")
    assert match.domain == "general"
    assert match.matched == ()
    assert detector.detect("The sum, please").domain == "math"


@pytest.mark.parametrize("phrase", ["OOP", "ETL", "BI", "CSV", "Snow Flake"])
def test_a_rule_with_capitals_matches_any_case(phrase: str) -> None:
    detector = DomainDetector(rules=[KeywordRule("data", phrase, 5.0)])
    for text in (phrase, phrase.lower(), phrase.upper(), f"what is {phrase.title()}?"):
        assert detector.detect(text).domain == "data"


def test_every_built_in_rule_can_match_its_own_phrase() -> None:
    dead = [rule.phrase for rule in BUILT_IN_RULES if rule.phrase.lower() not in _all_matches(rule)]
    assert dead == []


def _all_matches(rule: KeywordRule) -> str:
    return " ".join(DomainDetector(rules=[KeywordRule(rule.domain, rule.phrase, 9.0)]).detect(f"so, {rule.phrase}?").matched)


def test_a_phrase_matches_only_when_its_words_stand_together() -> None:
    detector = DomainDetector(rules=[KeywordRule("legal", "governing law of contracts", 9.0)])
    assert detector.detect("the governing law of contracts here").domain == "legal"
    assert detector.detect("governing law, and the contracts of others").domain == "general"


def test_a_custom_domain_is_found_like_a_built_in_one() -> None:
    detector = DomainDetector(
        rules=[*BUILT_IN_RULES, KeywordRule("viticulture", "grape", 4.0), KeywordRule("viticulture", "vineyard", 4.0)]
    )
    match = detector.detect("When do I prune the grapes in my vineyard?")
    assert match.domain == "viticulture"
    assert set(match.matched) == {"grapes", "vineyard"}
    assert "viticulture" in detector.domains


def test_a_disabled_rule_is_silent_and_switches_off_the_built_in_one_before_it() -> None:
    assert "python" in DETECTOR.detect("python").matched
    detector = DomainDetector(rules=[*BUILT_IN_RULES, KeywordRule("code", "PYTHON", 3.0, enabled=False)])
    assert detector.detect("python").matched == ()


def test_a_later_rule_reweighs_an_earlier_one_instead_of_adding_to_it() -> None:
    once = DomainDetector(rules=[KeywordRule("legal", "lease", 2.0)]).detect("a lease")
    twice = DomainDetector(rules=[KeywordRule("legal", "lease", 7.0), KeywordRule("legal", "Lease", 2.0)]).detect("a lease")
    assert twice == once


def test_an_explicit_plural_is_not_counted_twice() -> None:
    rules = [KeywordRule("legal", "right", 1.0), KeywordRule("legal", "rights", 1.0)]
    assert DomainDetector(rules=rules).detect("rights") == DomainDetector(rules=rules[1:]).detect("rights")


def test_confidence_is_a_probability_and_the_runner_up_is_behind() -> None:
    match = DETECTOR.detect("Can a hospital be sued for negligence after surgery?")
    assert 0 < match.runner_up_confidence <= match.confidence <= 1
    assert {match.domain, match.runner_up} == {"legal", "medical"}


def test_the_worked_number_of_the_documentation_holds() -> None:
    match = DETECTOR.detect("Prescribe 5 mg")
    assert match.domain == "medical"
    assert match.confidence == pytest.approx(0.89, abs=0.005)
    assert match.matched == ("mg", "dosage", "prescribe")


@pytest.mark.parametrize("text", ["", "   ", "\x00\x00", "?!", "\ud800", "\u4eca\u65e5\u306f", "\U0001f600" * 10])
def test_text_without_known_words_is_general_with_little_confidence(text: str) -> None:
    match = DETECTOR.detect(text)
    assert match.domain == "general"
    assert match.confidence < 0.5


def test_words_keep_what_makes_languages_names_and_lose_punctuation() -> None:
    assert words_of("It's C++, isn\u2019t it? C#\x00snake_case \u00c9T\u00c9") == [
        "it",
        "s",
        "c++",
        "isn",
        "t",
        "it",
        "c#",
        "snake_case",
        "\u00e9t\u00e9",
    ]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "how many ",
        "```",
        "[1, ",
        "import ",
        "((((",
        "\u00a7 ",
        "def f(",
        "class A",
        "1 ",
        "\\frac",
        "a.b",
        "\u2019",
        "mg ",
        "select * from ",
    ],
)
def test_a_megabyte_of_anything_takes_no_longer_than_its_bounded_ends(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = process_time()
    DETECTOR.detect(text)
    assert process_time() - start < 0.1


def test_instructions_after_a_long_paste_still_decide() -> None:
    paste = "lorem ipsum dolor sit amet " * 40_000
    assert DETECTOR.detect(paste + "\nRefactor this Python function and add a unit test.").domain == "code"


def test_detection_does_not_slow_down_with_the_number_of_patterns_seen_before() -> None:
    text = " ".join(["The committee discussed the schedule of the next meeting in some detail."] * 50)
    DETECTOR.detect(text)
    start = process_time()
    for _ in range(50):
        DETECTOR.detect(text)
    assert (process_time() - start) / 50 < 0.005


def test_the_six_domains_are_those_of_the_product() -> None:
    assert DOMAINS == ("code", "medical", "legal", "math", "data", "general")
    assert {rule.domain for rule in BUILT_IN_RULES} == set(DOMAINS)
