"""The opt-in checker by embeddings: what it says, and that it is not there unless it is wanted."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import pytest

from cascade.engine.semantic import ABUSE, SemanticQualityChecker
from cascade.engine.values import Completion


def directions(texts: Sequence[str]) -> list[list[float]]:
    """An embedding of three meanings: orders, abuse, all else."""
    return [[float("order" in text), float(text in ABUSE or "idiot" in text), float("order" not in text and "idiot" not in text)] for text in texts]


def completion(text: str) -> Completion:
    return Completion(message={"content": text}, finish_reason="stop", usage=None)


def test_an_answer_near_the_question_is_left_alone() -> None:
    opinion = SemanticQualityChecker(embed=directions)("Where is my order?", completion("Your order is in Lyon."))
    assert opinion is not None
    assert opinion.score == 1.0
    assert not opinion.veto


def test_an_answer_beside_the_point_is_scored_down_in_words() -> None:
    opinion = SemanticQualityChecker(embed=directions)("Where is my order?", completion("Paris is a city."))
    assert opinion is not None
    assert opinion.score == 0.0
    assert opinion.reason == "The draft lies far from the question"


def test_abuse_is_vetoed() -> None:
    opinion = SemanticQualityChecker(embed=directions)("Where is my order?", completion("You idiot."))
    assert opinion is not None
    assert opinion.veto


@pytest.mark.parametrize(("prompt", "text"), [("", "x"), ("x", ""), ("x", "   ")])
def test_without_text_there_is_no_opinion(prompt: str, text: str) -> None:
    assert SemanticQualityChecker(embed=directions)(prompt, completion(text)) is None


def test_an_absent_model_is_told_once_and_then_stepped_around(caplog: pytest.LogCaptureFixture) -> None:
    def absent(texts: Sequence[str]) -> list[list[float]]:
        raise OSError("no such model")

    checker = SemanticQualityChecker(embed=absent)
    with caplog.at_level(logging.WARNING):
        assert [checker("a", completion("b")) for _ in range(3)] == [None, None, None]
    assert caplog.text.count("step aside") == 1


@pytest.mark.skipif(find_spec("fastembed") is not None, reason="the extra is installed here")
def test_the_absent_extra_is_told_once_and_then_stepped_around(caplog: pytest.LogCaptureFixture) -> None:
    checker = SemanticQualityChecker()
    assert checker("a", completion("b")) is None
    assert "ModuleNotFoundError" in caplog.text


def test_nothing_imports_it_unless_it_is_wanted() -> None:
    program = (
        "import sys, django; django.setup(); import cascade.services, cascade.gateway.app; "
        "print([name for name in sys.modules if 'semantic' in name or 'fastembed' in name or name == 'numpy'])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "cascadeflow_site.settings", "HTTPS": "off"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
