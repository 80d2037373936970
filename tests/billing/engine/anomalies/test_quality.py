"""A draft model's quality collapses when its share of rejected drafts leaves its own past, and not before."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from billing.engine.anomalies.anomaly import Anomaly, AnomalyKind, Severity
from billing.engine.anomalies.quality import Judged, quality_collapse, shares_of, spread_between, wilson

NOW = datetime(2026, 11, 2, tzinfo=UTC)
USD = 1_000_000_000
STEADY = [Judged(judged=200, rejected=40)] * 28


def collapse(now: Judged, past: list[Judged] = STEADY, step: int = 0) -> Anomaly | None:
    return quality_collapse(model="mini", now=now, past=past, started_at=NOW, ended_at=NOW + timedelta(days=1), step=step)


def test_a_jump_is_found_with_its_shares_and_the_money_of_the_extra_escalations() -> None:
    found = collapse(Judged(judged=200, rejected=100, later_nusd=USD // 2))
    assert found is not None
    assert (found.kind, found.series.value) == (AnomalyKind.QUALITY_COLLAPSE, "mini")
    assert (found.usual_share, found.share) == (0.2, 0.5)
    assert (found.figures.expected_nusd, found.excess_nusd) == (200_000_000, 300_000_000)
    assert found.severity is Severity.INFO


def test_it_is_found_where_no_money_moved() -> None:
    found = collapse(Judged(judged=200, rejected=100, later_nusd=0))
    assert found is not None
    assert found.excess_nusd == 0


@pytest.mark.parametrize(
    ("now", "past"),
    [
        (Judged(judged=200, rejected=52), STEADY),
        (Judged(judged=200, rejected=2), STEADY),
        (Judged(judged=39, rejected=39), STEADY),
        (Judged(judged=200, rejected=100), STEADY[:6]),
        (Judged(judged=200, rejected=100), [Judged(judged=19, rejected=2)] * 28),
        (Judged(judged=40, rejected=9), [Judged(judged=200, rejected=0)] * 28),
        (Judged(judged=100_000, rejected=22_000), [Judged(judged=100_000, rejected=20_000)] * 28),
    ],
    ids=["by chance", "better", "few now", "few days", "few a day", "few rejected", "sure, but small"],
)
def test_what_is_no_collapse(now: Judged, past: list[Judged]) -> None:
    assert collapse(now, past) is None


def test_too_little_known_is_said() -> None:
    assert shares_of(now=Judged(judged=200, rejected=100), past=STEADY[:6]) is None
    assert shares_of(now=Judged(judged=39, rejected=10), past=STEADY) is None


def test_days_that_differ_much_widen_what_is_usual() -> None:
    restless = [Judged(judged=200, rejected=rejected) for rejected in (10, 70) * 14]
    assert spread_between(STEADY, share=0.2) == 0
    assert spread_between(restless, share=0.2) > 0.1
    now = Judged(judged=200, rejected=75)
    assert collapse(now) is not None
    assert collapse(now, restless) is None


def test_what_was_not_useful_is_found_less_easily() -> None:
    now = Judged(judged=200, rejected=100)
    assert [collapse(now, step=step) is not None for step in range(4)] == [True, True, False, False]


def test_a_share_that_has_lasted_for_weeks_is_usual() -> None:
    assert collapse(Judged(judged=200, rejected=100), [Judged(judged=200, rejected=100)] * 28) is None


def test_chance_alone_is_hardly_ever_a_collapse() -> None:
    chance = np.random.default_rng(11)
    found = 0
    for _ in range(2000):
        share, judged = chance.uniform(0.02, 0.6), int(chance.integers(40, 500))
        past = [Judged(judged=150, rejected=int(rejected)) for rejected in chance.binomial(150, share, size=28)]
        found += collapse(Judged(judged=judged, rejected=int(chance.binomial(judged, share))), past) is not None
    assert found <= 1


def test_wilsons_interval_is_his() -> None:
    assert wilson(share=0.2, count=100, confidence=1.96) == pytest.approx((0.133, 0.289), abs=0.001)
    assert wilson(share=0.0, count=10)[0] == 0
    assert wilson(share=1.0, count=10)[1] == 1
