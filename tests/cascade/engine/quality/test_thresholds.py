"""Default thresholds, and the combination."""

import pytest

from cascade.engine.quality.combine import acceptability
from cascade.engine.quality.evidence import evidence_of
from cascade.engine.quality.thresholds import default_threshold
from cascade.engine.quality.weights import PENALTIES, WEIGHTS
from cascade.engine.values import Check
from tests.cascade.engine.quality.conftest import make_draft


def test_the_worked_numbers_of_the_documentation_hold() -> None:
    assert default_threshold(preset="balanced", domain="math", complexity="hard") == 0.86
    assert default_threshold(preset="strict", domain="math", complexity="hard") == pytest.approx(0.918, abs=0.001)


def test_medical_and_expert_prompts_need_more_certainty() -> None:
    general = default_threshold(preset="balanced", domain="general", complexity="simple")
    assert general < default_threshold(preset="balanced", domain="legal", complexity="simple")
    assert general < default_threshold(preset="balanced", domain="medical", complexity="simple")
    assert general < default_threshold(preset="balanced", domain="general", complexity="expert")
    assert default_threshold(preset="balanced", domain="viticulture", complexity="simple") == general


def test_a_worse_check_never_raises_the_probability() -> None:
    for kind in ("worked", "code", "prose"):
        evidence = evidence_of(make_draft("It is 3 + 4 = 7.", prompt="How many?"), kind=kind)
        for name in PENALTIES[kind]:
            scores = [acceptability(kind=kind, evidence=evidence, checks=[Check(name=name, score=score)]) for score in (0.0, 0.5, 1.0)]
            assert scores == sorted(scores)


def test_every_measurement_has_a_weight_and_every_weight_a_measurement() -> None:
    for kind in ("worked", "code", "prose"):
        assert {*evidence_of(make_draft("x", prompt="y"), kind=kind), "intercept"} == set(WEIGHTS[kind])
