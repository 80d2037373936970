"""Numbers about runs: the sums of days are those of the runs, and shadows are in none of them."""

from datetime import UTC, datetime, timedelta

import pytest

from cascade import run_reports
from cascade.savings import savings_statement
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TODAY = NOW.date()


def test_a_day_sums_its_runs_in_each_dimension(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        add_run(cast, at=NOW, cost_nusd=4, baseline_nusd=10)
        add_run(cast, at=NOW, cost_nusd=9, baseline_nusd=5, draft_accepted=False, model_used="large")
        add_run(cast, at=NOW, cost_nusd=2, baseline_nusd=None, draft_accepted=None, status="failed")
        add_run(cast, at=NOW, cost_nusd=100, status="shadow")
        found = run_reports.runs_between(first=TODAY, last=TODAY)
        by_model = run_reports.runs_by(dimension="model", values=["mini", "large"], first=TODAY, last=TODAY)
        within = run_reports.runs_within(start_at=NOW, end_at=NOW + timedelta(hours=1))
    assert (found.runs, found.failed, found.judged, found.accepted) == (3, 1, 2, 1)
    assert (found.cost_nusd, found.saved_nusd, found.saved_permille, found.accepted_permille) == (15, 2, 133, 500)
    assert (by_model["large"].runs, by_model["large"].saved_nusd) == (1, -4)
    assert within == found


def test_the_versions_of_a_preset_are_summed_together_and_its_answers_scored(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for number, score in ((1, 0.9), (2, None), (2, 0.7)):
            add_run(cast, at=NOW, preset="house", policy_version=f"house@{number}", score=score, arm="cascade")
        add_run(cast, at=NOW, preset="", policy_version="direct:odd@model")
        found = run_reports.runs_by_preset(first=TODAY, last=TODAY)
        (_, house) = run_reports.quality_by_preset(start_at=NOW, end_at=NOW + timedelta(hours=1))
        with pytest.raises(ValueError, match="at most 31 days"):
            run_reports.quality_by_preset(start_at=NOW - timedelta(days=32), end_at=NOW)
    assert {preset: sums.runs for preset, sums in found.items()} == {"house": 3, "": 1}
    assert (house.runs, house.scored, house.mean_score) == (3, 2, pytest.approx(0.8))


def test_what_was_saved_is_split_and_the_parts_add_up(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        add_run(cast, at=NOW, cost_nusd=4, baseline_nusd=100, saved_by_cache_nusd=20, saved_by_price_nusd=-3)
        add_run(cast, at=NOW, cost_nusd=1, baseline_nusd=10, saved_by_cache_nusd=2, status="degraded")
        add_run(cast, at=NOW, cost_nusd=7, baseline_nusd=None, status="failed")
        days = run_reports.runs_between(first=TODAY, last=TODAY)
        within = run_reports.runs_within(start_at=NOW, end_at=NOW + timedelta(hours=1))
        stated = savings_statement(start_at=NOW, end_at=NOW + timedelta(hours=1))
    for found in (days, within, stated):
        assert (found.by_cache_nusd, found.by_price_nusd, found.by_degrade_nusd, found.by_routing_nusd) == (22, -3, 7, 79)
        assert found.saved_nusd == 105


def test_a_run_belongs_to_the_day_of_its_tenants_clock(cast: Cast) -> None:
    late = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
    with tenant_scope(cast.acme.id):
        add_run(cast, at=late)
        assert list(run_reports.runs_by_day(first=TODAY, last=TODAY + timedelta(days=1))) == [TODAY + timedelta(days=1)]


def test_two_periods_are_told_apart(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for days in (0, 7, 7):
            add_run(cast, at=NOW - timedelta(days=days))
        week_ago = TODAY - timedelta(days=7)
        now, before = run_reports.runs_of_two_periods(first=TODAY, last=TODAY, before=(week_ago, week_ago))
    assert before is not None
    assert (now.runs, before.runs) == (1, 2)


def test_nobody_sees_the_runs_of_others_and_no_long_span_is_read_from_the_traces(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        add_run(cast, at=NOW)
    with tenant_scope(cast.globex.id):
        assert run_reports.runs_between(first=TODAY, last=TODAY).runs == 0
        with pytest.raises(ValueError, match="sums of days"):
            run_reports.runs_within(start_at=NOW - timedelta(days=3), end_at=NOW)
        with pytest.raises(ValueError, match="not summed by"):
            run_reports.runs_by(dimension="step", values=[], first=TODAY, last=TODAY)


def test_the_newest_days_bear_no_more_runs_than_are_asked_for_but_at_least_one_day(cast: Cast) -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    with tenant_scope(cast.acme.id):
        assert run_reports.newest_days(most_runs=5) is None
        for days, runs in ((0, 4), (1, 5), (2, 3)):
            for _ in range(runs):
                add_run(cast, at=now - timedelta(days=days), policy_version=f"house@{days}" if days else "direct:large")
        days = {most: run_reports.newest_days(most_runs=most) for most in (1, 8, 9, 11, 12)}
        assert {most: day and day.day for most, day in days.items()} == {1: 26, 8: 26, 9: 25, 11: 25, 12: 24}
        assert [day.day for day in run_reports.days_with_preset("house") or ()] == [24, 25]
        assert [day.day for day in run_reports.days_with_preset("") or ()] == [26, 26]
        assert run_reports.days_with_preset("hous") is None
        assert run_reports.runs_in_all() == 12
        assert run_reports.runs_in_all(keys=[]) == 0
    with tenant_scope(cast.globex.id):
        assert (run_reports.runs_in_all(), run_reports.newest_days(most_runs=9)) == (0, None)
