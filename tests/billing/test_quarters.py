"""The sums of the quarters of an hour are those of the entries, and stay so when they are made again."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import QuarterRollup
from billing.quarters import FIRST_LOOK, KEPT, forget_quarters, mend_quarters, quarter_of, sum_quarters
from tenants.scoping import tenant_scope
from tests.shop import Shop


def rows(shop: Shop, dimension: str) -> dict[str, QuarterRollup]:
    with tenant_scope(shop.tenant.id):
        found = QuarterRollup.objects.filter(dimension=dimension)
        assert len({row.start_at for row in found}) <= 2
        return {row.value: row for row in found}


def test_a_quarter_starts_at_its_own_minute() -> None:
    assert quarter_of(datetime(2026, 11, 26, 14, 29, 59, 999_999, tzinfo=UTC)) == datetime(2026, 11, 26, 14, 15, tzinfo=UTC)
    assert quarter_of(datetime(2026, 11, 26, 14, 30, tzinfo=UTC)) == datetime(2026, 11, 26, 14, 30, tzinfo=UTC)


def test_sums_are_those_of_the_entries_in_each_dimension(shop: Shop) -> None:
    shop.call(amount=700, asked=10, said=5, user=shop.cast.ann.id)
    shop.call(amount=300, asked=1, said=2, outcome="rejected", user=shop.cast.ann.id)
    shop.call(amount=50, model="large")
    shop.call(kind="voided", outcome="failed", model="large")
    sum_quarters(now=datetime.now(UTC))
    found = rows(shop, "model")
    mini, large = found["mini"], found["large"]
    assert (mini.cost_nusd, mini.runs, mini.calls, mini.judged, mini.rejected) == (1000, 2, 2, 2, 1)
    assert (mini.input_tokens, mini.output_tokens) == (11, 7)
    assert (large.cost_nusd, large.runs, large.calls, large.judged) == (50, 2, 1, 1)
    assert rows(shop, "end_user")[str(shop.cast.ann.id)].cost_nusd == 1000
    assert sum(row.cost_nusd for row in rows(shop, "all").values()) == 1050


def test_summing_again_changes_nothing_and_a_later_call_is_added(shop: Shop) -> None:
    shop.call(amount=700)
    now = datetime.now(UTC)
    assert sum_quarters(now=now) > 0
    assert sum_quarters(now=now) == 0
    shop.call(amount=1)
    assert sum_quarters(now=now) > 0
    assert sum(row.cost_nusd for row in rows(shop, "all").values()) == 701


def test_a_correction_of_an_old_call_is_no_spend_of_this_quarter(shop: Shop) -> None:
    hold = shop.call(kind="assumed", amount=900)
    shop.settle_late(hold, amount=100, asked=1, said=1)
    sum_quarters(now=datetime.now(UTC))
    assert rows(shop, "all")[""].cost_nusd == 900


def test_after_a_pause_the_hours_in_between_are_summed_too(shop: Shop) -> None:
    shop.call(amount=5)
    later = datetime.now(UTC) + timedelta(hours=30)
    sum_quarters(now=later)
    assert rows(shop, "all")[""].cost_nusd == 5
    assert timedelta(days=1) < FIRST_LOOK


def test_each_tenant_sees_its_own_sums_alone(shop: Shop) -> None:
    shop.call(amount=5)
    sum_quarters(now=datetime.now(UTC))
    with tenant_scope(shop.cast.globex.id):
        assert not QuarterRollup.objects.exists()


def test_sums_of_long_ago_are_forgotten(shop: Shop) -> None:
    shop.call(amount=5)
    now = datetime.now(UTC)
    sum_quarters(now=now)
    forget_quarters(now=now + KEPT - timedelta(hours=1))
    assert rows(shop, "all")
    forget_quarters(now=now + KEPT + timedelta(hours=1))
    assert not rows(shop, "all")


def test_a_sum_that_is_not_what_the_entries_say_is_mended_and_told(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.call(amount=700)
    now = datetime.now(UTC)
    sum_quarters(now=now)
    with tenant_scope(shop.tenant.id):
        QuarterRollup.objects.filter(dimension="all").update(cost_nusd=1)
    later = now + timedelta(hours=2)
    assert mend_quarters(now=later) == 1
    assert "1 sums of quarters of an hour were not what the entries say" in caplog.text
    assert mend_quarters(now=later) == 0
    assert rows(shop, "all")[""].cost_nusd == 700
