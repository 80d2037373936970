"""The curve around an anomaly has the bounds of the detector, made of what lies before it."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection

from billing.curves import curve_of
from billing.models import Anomaly
from billing.quarters import KEPT, QUARTER, quarter_of
from tenants.scoping import tenant_scope
from tests.history import History, history
from tests.shop import Shop

USD = 10**9


@pytest.fixture
def past(shop: Shop, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    with django_db_blocker.unblock(), history() as written:
        yield written
        connection.close()


def anomaly(at: datetime, *, lane: str = "fast", long: timedelta = QUARTER, **fields: str) -> Anomaly:
    return Anomaly(**{"lane": lane, "kind": "spike", "dimension": "all", "value": "", "started_at": at, "ended_at": at + long, **fields})


def test_a_quarter_of_an_hour_lies_in_the_middle_of_what_is_ordinary_and_beyond_it(shop: Shop, past: History) -> None:
    spike = quarter_of(shop.now) - 20 * QUARTER
    past.quarters(shop.tenant.id, {spike + number * QUARTER: (220 if not number else 96) * USD for number in range(21 - KEPT // QUARTER, 20)})
    past.days(shop.tenant.id, {shop.now.date() - timedelta(days=40): USD})
    with tenant_scope(shop.tenant.id):
        curve = curve_of(anomaly(spike), zone="Europe/Berlin", now=shop.now)
    assert curve is not None
    assert (curve.first, curve.last, len(curve.points)) == (48, 48, 65)
    assert (curve.points[48], curve.actual_nusd[48], curve.expected_nusd[48]) == (spike, 220 * USD, 96 * USD)
    low, high = curve.low_nusd[48], curve.high_nusd[48]
    assert low is not None
    assert high is not None
    assert low < 96 * USD < high < 220 * USD


def test_a_day_is_shown_among_days(shop: Shop, past: History) -> None:
    today = shop.now.date()
    past.days(shop.tenant.id, {today - timedelta(days=number): (300 if number == 3 else 100) * USD for number in range(1, 100)})
    at = datetime(today.year, today.month, today.day, tzinfo=shop.now.tzinfo) - timedelta(days=3)
    with tenant_scope(shop.tenant.id):
        curve = curve_of(anomaly(at, lane="daily", long=timedelta(days=1)), zone="UTC", now=shop.now)
    assert curve is not None
    assert (curve.points[curve.first], curve.actual_nusd[curve.first], curve.expected_nusd[curve.first]) == (at.date(), 300 * USD, 100 * USD)
    assert (curve.first, curve.last, len(curve.points)) == (28, 28, 31)


def test_of_a_young_name_nothing_is_said_to_be_ordinary(shop: Shop, past: History) -> None:
    spike, key = quarter_of(shop.now) - 4 * QUARTER, str(uuid.uuid4())
    past.quarters(shop.tenant.id, {spike - number * QUARTER: USD for number in range(10)}, dimension="api_key", value=key)
    past.days(shop.tenant.id, {shop.now.date() - timedelta(days=60): USD})
    with tenant_scope(shop.tenant.id):
        curve = curve_of(anomaly(spike, dimension="api_key", value=key), zone="UTC", now=shop.now)
    assert curve is not None
    assert set(curve.expected_nusd) == {None}
    assert sum(curve.actual_nusd) == 10 * USD


def test_what_is_not_kept_any_more_has_no_curve_nor_has_a_collapse_of_quality(shop: Shop, past: History) -> None:
    with tenant_scope(shop.tenant.id):
        assert curve_of(anomaly(shop.now - KEPT - QUARTER), zone="UTC", now=shop.now) is None
        assert curve_of(anomaly(shop.now, kind="quality_collapse", lane="daily"), zone="UTC", now=shop.now) is None


def test_a_long_one_is_shown_for_four_days_at_most(shop: Shop, past: History) -> None:
    begins = quarter_of(shop.now) - 8 * 96 * QUARTER
    with tenant_scope(shop.tenant.id):
        curve = curve_of(anomaly(begins, long=timedelta(days=7)), zone="UTC", now=shop.now)
    assert curve is not None
    assert len(curve.points) == 4 * 96
    assert curve.last == len(curve.points) - 1
