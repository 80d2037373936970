"""Amounts over time: sums of days are the sums of what was booked, whatever way they are asked for."""

from datetime import date, timedelta

import pytest

from billing import reports
from billing.quarters import sum_quarters
from tenants.scoping import tenant_scope
from tests.shop import Shop


@pytest.fixture
def sold(shop: Shop) -> Shop:
    for days, model, amount in ((0, "mini", 5), (0, "large", 30), (1, "mini", 7), (3, "large", 10), (3, "tiny", 1)):
        shop.call(model=model, amount=amount, user=shop.cast.ann.id if model == "mini" else None, at=shop.ago(days=days))
    return shop


def range_of(shop: Shop) -> tuple[date, date]:
    today = reports.today_of(time_zone=shop.tenant.time_zone, now=shop.now)
    return today - timedelta(days=6), today


def test_the_largest_are_lines_and_the_rest_is_one(sold: Shop) -> None:
    first, last = range_of(sold)
    with tenant_scope(sold.tenant.id):
        found = reports.series_by(dimension="model", first=first, last=last, limit=1)
    assert [(line.label, line.total) for line in found.lines] == [("large", 40), ("Other", 13)]
    assert found.names == 3
    assert len(found.points) == 7
    assert sum(found.totals) == 53


def test_every_way_to_add_up_leads_to_the_same_sum(sold: Shop) -> None:
    first, last = range_of(sold)
    with tenant_scope(sold.tenant.id):
        whole = reports.spend_between(first=first, last=last).cost_nusd
        for dimension in ("model", "provider", "end_user", "tier", "domain", "api_key", "preset", "step"):
            assert sum(reports.series_by(dimension=dimension, first=first, last=last, limit=2).totals) == whole
            entries = reports.pivot(first=first, last=last, group=dimension, subgroup=None, filters=(), measure="cost_nusd", limit=2)
            assert sum(entries.totals) == whole
    assert whole == 53


def test_standings_stand_beside_the_days_before(sold: Shop) -> None:
    _, today = range_of(sold)
    with tenant_scope(sold.tenant.id):
        before = (today - timedelta(days=3), today - timedelta(days=2))
        (large, mini) = reports.standings_by(dimension="model", first=today - timedelta(days=1), last=today, before=before, limit=5)
    assert (large.label, large.cost_nusd, large.previous_nusd, large.trend) == ("large", 30, 10, [0, 30])
    assert (mini.label, mini.cost_nusd, mini.previous_nusd, mini.entries) == ("mini", 12, 0, 2)


def test_end_users_are_called_by_their_names_and_erased_ones_by_their_id(sold: Shop) -> None:
    ann = str(sold.cast.ann.id)
    with tenant_scope(sold.tenant.id):
        names = reports.names_of(dimension="end_user", values=[ann, "", "0f000000-0000-4000-8000-000000000000", "no id"])
    assert names[ann] == "ann"
    assert names[""] == "(no end user named)"
    assert names["0f000000-0000-4000-8000-000000000000"] == "0f000000… (erased)"


def test_nobody_sees_the_sums_of_others(sold: Shop) -> None:
    first, last = range_of(sold)
    with tenant_scope(sold.cast.globex.id):
        assert reports.series_by(dimension="model", first=first, last=last, limit=5).lines == []
        assert reports.standings_by(dimension="model", first=first, last=last, before=None, limit=5) == []
        assert reports.pivot(first=first, last=last, group="model", subgroup="tier", filters=(), measure="cost_nusd", limit=5).lines == []
        assert reports.pulse(now=sold.now).booked_at is None


def test_hours_are_told_from_quarters(shop: Shop) -> None:
    shop.call(model="mini", amount=5)
    sum_quarters(now=shop.now)
    with tenant_scope(shop.tenant.id):
        end_at = shop.now + timedelta(hours=1)
        found = reports.spend_by_quarters(dimension="model", start_at=end_at - timedelta(hours=24), end_at=end_at, step=timedelta(hours=1), limit=3)
        assert (len(found.points), found.lines[0].total) == (24, 5)
        with pytest.raises(ValueError, match="not summed by"):
            reports.spend_by_quarters(dimension="step", start_at=end_at, end_at=end_at, step=timedelta(hours=1), limit=3)


@pytest.mark.parametrize("asked", [{"group": "colour"}, {"measure": "colour"}, {"subgroup": "colour"}])
def test_words_that_are_no_dimension_never_reach_the_database(shop: Shop, asked: dict[str, str]) -> None:
    with tenant_scope(shop.tenant.id), pytest.raises(ValueError, match="no dimension or measure"):
        reports.pivot(**{"first": date(2026, 1, 1), "last": date(2026, 1, 2), "group": "model", "subgroup": None, "filters": (), "measure": "entries",
                         "limit": 5, **asked})  # type: ignore[arg-type]  # fmt: skip


def test_a_hold_that_should_be_booked_by_now_is_told(shop: Shop) -> None:
    shop.call(amount=1)
    with tenant_scope(shop.tenant.id):
        found = reports.pulse(now=shop.now + timedelta(seconds=40))
    assert found.overdue == 0
    assert found.age is not None
    assert found.age < timedelta(seconds=41)
