"""How a domain was found, as people are told it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.engine.domain_reading import _WORD, confusion_of, marked, read_domain
from cascade.engine.domains import DomainDetector, KeywordRule, words_of

DETECTOR = DomainDetector()


def test_a_reading_says_what_the_detector_decides_and_why() -> None:
    reading = read_domain("Prescribe 5 mg", detector=DETECTOR)
    assert reading.match == DETECTOR.detect("Prescribe 5 mg")
    assert reading.match.domain == "medical"
    assert not reading.is_close_call
    assert {what for _, what, _ in reading.evidence} >= {"mg", "prescribe", "dosage"}
    assert sum(share.probability for share in reading.shares) == pytest.approx(1)
    assert reading.shares[0].probability == pytest.approx(reading.match.confidence)


def test_two_domains_that_are_near_each_other_are_a_close_call() -> None:
    rules = (KeywordRule("legal", "blip", 3.0), KeywordRule("code", "blip", 3.0))
    assert read_domain("blip", detector=DomainDetector(rules=rules)).is_close_call


@given(st.text())
def test_marked_pieces_are_the_text_itself_and_its_words_those_that_are_read(text: str) -> None:
    assert "".join(piece for piece, _ in marked(text, words_of(text)[:3])) == text
    assert [word.lower() for word in _WORD.findall(text)] == words_of(text)


@pytest.mark.parametrize(
    ("text", "phrases", "found"),
    [
        ("Is it C++?", ["c++"], ["C++"]), ("The time\u2019s time complexity", ["time complexity"], ["time complexity"]),
        ("a a a a", ["a a"], ["a a", "a a"]), ("nothing here", ["code fence"], []), ("", ["x"], []),
    ],
)  # fmt: skip
def test_words_and_phrases_are_marked_where_they_stand(text: str, phrases: list[str], found: list[str]) -> None:
    assert [piece for piece, is_match in marked(text, phrases) if is_match] == found


def test_a_hostile_text_is_read_in_bounded_work() -> None:
    assert len(marked("a " * 500_000, [" ".join("a" * 100)])) < 100
    assert re.compile(_WORD.pattern).groups == 0


def test_a_table_of_confusion_counts_every_pair() -> None:
    found = confusion_of([("legal", "legal"), ("legal", "code"), ("code", "code"), ("own", "general")])
    assert found.domains == ["code", "general", "legal", "own"]
    assert dict(found.rows)["legal"] == [1, 0, 1, 0]
    assert (found.right, found.total, found.accuracy_permille) == (2, 4, 500)
    assert confusion_of([]).accuracy_permille == 0
