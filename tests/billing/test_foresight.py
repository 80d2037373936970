"""Budgets that will not last are told before they run out, once a window."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from billing.engine.alerts.events import AlertKind
from billing.engine.alerts.kinds import Severity
from billing.forecasts import forecast_tenant
from billing.foresight import foresee
from billing.models import Alert
from tenants.scoping import tenant_scope
from tests.history import History, history
from tests.shop import Shop

USD = 1_000_000_000


@pytest.fixture
def past(shop: Shop, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    """Forty days of 10 USD, up to yesterday; taken away before the shop looks whether its ledger is whole."""
    with django_db_blocker.unblock(), history() as written:
        yield written
        connection.close()


def today(shop: Shop) -> date:
    return shop.now.astimezone(ZoneInfo("Europe/Berlin")).date()


def days_before(shop: Shop, amount: int, *, days: int = 40) -> dict:
    return {today(shop) - timedelta(days=number): amount for number in range(1, days + 1)}


def alerts(shop: Shop) -> dict[str, Alert]:
    with tenant_scope(shop.tenant.id):
        return {alert.kind: alert for alert in Alert.objects.all()}


def test_a_budget_that_will_go_over_and_one_that_runs_out_soon_are_told_once(shop: Shop, past: History) -> None:
    past.days(shop.tenant.id, days_before(shop, 10 * USD))
    shop.budget(40 * USD, period="total", action="block", name="All there is")
    shop.call(amount=2 * USD)
    assert foresee(now=datetime.now(UTC)) == 1
    near = alerts(shop)[AlertKind.BUDGET_EXHAUSTION]
    assert near.severity == Severity.CRITICAL
    assert near.event.runs_out_at.date() - today(shop) <= timedelta(days=5)  # type: ignore[attr-defined]
    assert foresee(now=datetime.now(UTC)) == 0
    assert set(alerts(shop)) == {AlertKind.BUDGET_EXHAUSTION}, "a budget over all time has no end that it could be over at"


def test_a_budget_that_lasts_and_one_that_is_spent_already_are_not_told(shop: Shop, past: History) -> None:
    past.days(shop.tenant.id, days_before(shop, 10 * USD))
    shop.budget(4_000 * USD, period="total", action="block")
    shop.budget(1 * USD, period="total", action="warn")
    shop.call(amount=2 * USD)
    assert foresee(now=datetime.now(UTC)) == 0


def test_a_young_past_raises_no_alarm(shop: Shop, past: History) -> None:
    past.days(shop.tenant.id, days_before(shop, 10 * USD, days=6))
    shop.budget(40 * USD, period="total", action="block")
    shop.call(amount=2 * USD)
    assert foresee(now=datetime.now(UTC)) == 0


def test_the_budget_of_one_end_user_is_told_too(shop: Shop, past: History) -> None:
    ann = shop.cast.ann
    past.days(shop.tenant.id, days_before(shop, 10 * USD))
    past.days(shop.tenant.id, days_before(shop, 10 * USD), dimension="end_user", value=str(ann.id))
    shop.budget(40 * USD, scope="end_user", subject="", period="total", action="block")
    shop.call(amount=2 * USD, user=ann.id)
    with tenant_scope(shop.tenant.id):
        forecast_tenant(today=today(shop))
    assert foresee(now=datetime.now(UTC)) == 1
    told = alerts(shop)[AlertKind.BUDGET_EXHAUSTION]
    assert (told.end_user_id, told.severity) == (ann.id, Severity.INFO)
