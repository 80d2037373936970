"""The threshold of one pair of models, and how much labelled rows can prove."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.engine.quality.calibration import ESCALATE_ALL, ScoredDraft, calibrate_threshold, outcome_at


def row(score: float, draft: float, strong: float = 1.0, **costs: float) -> ScoredDraft:
    return ScoredDraft(score=score, draft_quality=draft, strong_quality=strong, **costs)


def many(count: int, *, right: float = 0.9, seed: int = 3) -> list[ScoredDraft]:
    """Rows whose score says something about the draft: it is right with the probability that the score gives."""
    chance = random.Random(seed)
    scores = [min(1.0, right + (1 - right) * chance.random() - 0.2 * chance.random()) for _ in range(count)]
    return [row(score, float(chance.random() < score), draft_cost=1.0, strong_cost=10.0) for score in scores]


def test_the_worked_number_of_the_documentation_holds() -> None:
    costs = {"draft_cost": 1.0, "strong_cost": 10.0}
    found = calibrate_threshold([row(0.9, 1, **costs), row(0.2, 0, **costs), row(0.6, 1, **costs)])
    assert found.threshold == 0.6
    assert found.escalated == pytest.approx(1 / 3)
    assert found.quality_kept == 1.0
    assert found.saved == pytest.approx(0.5667, abs=1e-4)
    assert found.statement.startswith("Too few rows: 3 cannot prove that 99.0% is kept")


def test_it_accepts_all_when_the_draft_model_is_as_good() -> None:
    assert calibrate_threshold([row(0.3, 1), row(0.5, 1)]).escalated == 0.0


def test_equal_scores_are_never_split() -> None:
    found = calibrate_threshold([row(0.5, 0), row(0.5, 1), row(0.5, 1)])
    assert found.threshold == ESCALATE_ALL
    assert found.escalated == 1.0


def test_without_rows_everything_is_escalated_and_nothing_is_claimed() -> None:
    found = calibrate_threshold([])
    assert found.threshold > 1
    assert found.saved is None
    assert "Too few rows: 0" in found.statement


def test_a_saving_is_not_invented_where_costs_are_unknown() -> None:
    found = calibrate_threshold([row(0.9, 1), row(0.8, 1, draft_cost=1, strong_cost=2)])
    assert found.saved is None
    assert found.unseen_saved is None


def test_a_pair_whose_drafts_are_always_wrong_does_not_pay() -> None:
    found = calibrate_threshold([row(0.5 + place / 1_000, 0, draft_cost=1, strong_cost=2) for place in range(400)])
    assert found.escalated == 0.99
    assert found.saved == pytest.approx(-0.49)
    assert "does not pay" in found.statement


def test_more_rows_prove_more() -> None:
    small, large = calibrate_threshold(many(400), target=0.99), calibrate_threshold(many(20_000), target=0.99)
    assert small.kept_low < large.kept_low <= large.quality_kept
    assert small.rows_needed > 400
    assert "rows would tell" in small.statement


def test_no_observed_loss_still_proves_no_more_than_the_rule_of_three() -> None:
    found = calibrate_threshold([row(0.9, 1) for _ in range(300)])
    assert found.quality_kept == 1.0
    assert found.kept_low == pytest.approx(0.99)


def test_the_unseen_figure_is_measured_with_thresholds_of_other_rows() -> None:
    found = calibrate_threshold(many(2_000), target=0.97)
    assert found.unseen_kept == pytest.approx(found.quality_kept, abs=0.02)
    assert found.unseen_saved is not None
    assert calibrate_threshold(many(49), target=0.97).unseen_kept is None


@pytest.mark.parametrize("target", [0.0, -1.0, 1.01, 99.0])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        calibrate_threshold([row(0.5, 1)], target=target)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 1]), st.sampled_from([0, 1])), max_size=40), st.floats(0.5, 1))
def test_the_target_is_kept_and_no_lower_threshold_keeps_it(drawn: list[tuple[float, int, int]], target: float) -> None:
    rows = [row(*values) for values in drawn]
    found = calibrate_threshold(rows, target=target)
    assert found.quality_kept >= target - 1e-9
    for lower in {own.score for own in rows if own.score < found.threshold}:
        kept, _, _ = outcome_at(lower, rows)
        assert kept < target or not any(own.strong_quality for own in rows)
