"""Default thresholds, calibration of a pair, and the combination."""

import pytest

from cascade.engine.quality.combine import acceptability
from cascade.engine.quality.evidence import evidence_of
from cascade.engine.quality.thresholds import ScoredDraft, calibrate_threshold, default_threshold
from cascade.engine.quality.weights import PENALTIES, WEIGHTS
from cascade.engine.values import Check
from tests.cascade.engine.quality.conftest import make_draft


def row(score: float, draft: float, strong: float = 1.0) -> ScoredDraft:
    return ScoredDraft(score=score, draft_quality=draft, strong_quality=strong)


def test_the_worked_numbers_of_the_documentation_hold() -> None:
    assert default_threshold(preset="balanced", domain="math", complexity="hard") == 0.86
    assert default_threshold(preset="strict", domain="math", complexity="hard") == pytest.approx(0.918, abs=0.001)


def test_medical_and_expert_prompts_need_more_certainty() -> None:
    general = default_threshold(preset="balanced", domain="general", complexity="simple")
    assert general < default_threshold(preset="balanced", domain="legal", complexity="simple")
    assert general < default_threshold(preset="balanced", domain="medical", complexity="simple")
    assert general < default_threshold(preset="balanced", domain="general", complexity="expert")
    assert default_threshold(preset="balanced", domain="viticulture", complexity="simple") == general


def test_calibration_escalates_as_little_as_the_kept_quality_allows() -> None:
    found = calibrate_threshold(rows=[row(0.9, 1), row(0.2, 0), row(0.6, 1)], keep=0.99)
    assert found.threshold == 0.6
    assert found.escalated == pytest.approx(1 / 3)
    assert found.quality_kept == 1.0
    assert found.rows == 3


def test_calibration_accepts_all_when_the_draft_model_is_as_good() -> None:
    assert calibrate_threshold(rows=[row(0.3, 1), row(0.5, 1)]).escalated == 0.0


def test_calibration_never_splits_equal_scores() -> None:
    found = calibrate_threshold(rows=[row(0.5, 0), row(0.5, 1), row(0.5, 1)], keep=0.99)
    assert found.threshold == 1.01
    assert found.escalated == 1.0


def test_calibration_without_rows_escalates_everything() -> None:
    assert calibrate_threshold(rows=[]).threshold > 1


def test_a_worse_check_never_raises_the_probability() -> None:
    for kind in ("worked", "code", "prose"):
        evidence = evidence_of(make_draft("It is 3 + 4 = 7.", prompt="How many?"), kind=kind)
        for name in PENALTIES[kind]:
            scores = [acceptability(kind=kind, evidence=evidence, checks=[Check(name=name, score=score)]) for score in (0.0, 0.5, 1.0)]
            assert scores == sorted(scores)


def test_every_measurement_has_a_weight_and_every_weight_a_measurement() -> None:
    for kind in ("worked", "code", "prose"):
        assert {*evidence_of(make_draft("x", prompt="y"), kind=kind), "intercept"} == set(WEIGHTS[kind])
