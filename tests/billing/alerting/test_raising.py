"""An alert comes into being once a window, is seen to, and ends."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from billing.alerting import BudgetMarkPassed, UnpricedModel, end_alerts, raise_alert
from billing.alerting.raising import acknowledge, end_overdue, resolve
from billing.engine.alerts.events import AlertKind
from billing.models import Alert, Budget
from tenants.errors import Conflict
from tenants.scoping import OutsideTenantScope, tenant_scope
from tests.billing.alerting.conftest import NOON, Desk, down
from tests.cast import Cast


def test_the_same_is_raised_once_a_window(desk: Desk) -> None:
    first = UnpricedModel(model="gpt-9", connection="openai", seen_at=NOON)
    with tenant_scope(desk.tenant.pk):
        raised = raise_alert(event=first, now=NOON)
        assert raised is not None
        assert raise_alert(event=UnpricedModel(model="gpt-9", connection="openai", seen_at=NOON, booked=7), now=NOON) is None
        assert raise_alert(event=UnpricedModel(model="gpt-8", connection="openai", seen_at=NOON), now=NOON) is not None
        resolve(alert=raised, by="a test", note="", now=NOON)
        assert raise_alert(event=first, now=NOON) is None, "it is the same day still"
        tomorrow = NOON + timedelta(days=1)
        assert raise_alert(event=UnpricedModel(model="gpt-9", connection="openai", seen_at=tomorrow), now=tomorrow) is not None
    assert len(desk.alerts()) == 3


def test_what_lasts_is_not_raised_again_while_it_is_open_however_long(desk: Desk) -> None:
    desk.raised()
    desk.clock.tick(hours=30)
    with tenant_scope(desk.tenant.pk):
        assert raise_alert(event=down(at=desk.clock()), now=desk.clock()) is None
        assert end_alerts(kind=AlertKind.PROVIDER_DOWN, subject="openai", now=desk.clock()) == 1
        assert raise_alert(event=down(at=desk.clock()), now=desk.clock()) is not None


def test_an_alert_is_a_tenants_own(cast: Cast) -> None:
    with pytest.raises(OutsideTenantScope):
        raise_alert(event=down(), now=NOON)
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            assert raise_alert(event=down(), now=NOON) is not None
            assert Alert.objects.count() == 1


def test_two_at_once_make_one_row(committed_desk: Desk) -> None:
    made: list[bool] = []
    together = threading.Barrier(4)

    def race() -> None:
        try:
            with tenant_scope(committed_desk.tenant.pk):
                together.wait(10)
                made.append(raise_alert(event=down(), now=NOON) is not None)
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(made) == [False, False, False, True]
    assert len(committed_desk.alerts()) == 1


def test_it_is_in_the_callers_transaction_so_nothing_is_told_of_what_was_undone(desk: Desk) -> None:
    with tenant_scope(desk.tenant.pk), transaction.atomic():
        raise_alert(event=down(), now=NOON)
        transaction.set_rollback(True)
    assert desk.alerts() == []


def test_it_is_acknowledged_and_resolved_once_with_who_and_why(desk: Desk) -> None:
    alert = desk.raised()
    with tenant_scope(desk.tenant.pk):
        seen = acknowledge(alert=alert, by="olga", note="I look", now=NOON)
        again = acknowledge(alert=alert, by="finn", note="me too", now=NOON + timedelta(hours=1))
        assert (again.state, again.acknowledged_by, again.note, again.acknowledged_at) == ("acknowledged", "olga", "I look", seen.acknowledged_at)
        over = resolve(alert=alert, by="olga", note="they are back", now=NOON + timedelta(hours=2))
        assert (over.state, over.resolved_by, over.note) == ("resolved", "olga", "they are back")
        assert resolve(alert=alert, by="finn", note="late", now=NOON + timedelta(hours=3)).resolved_by == "olga"
        with pytest.raises(Conflict, match="resolved already"):
            acknowledge(alert=alert, by="finn", note="", now=NOON)


def test_a_budgets_alert_ends_with_its_window(desk: Desk) -> None:
    with tenant_scope(desk.tenant.pk):
        budget = Budget.objects.create(scope="tenant", period="daily", limit_nusd=100)
        event = BudgetMarkPassed(
            budget=budget.pk, scope="tenant", period="daily", action="warn", start_at=NOON, end_at=NOON + timedelta(hours=8), limit_nusd=100,
            spent_nusd=100, percent=100,
        )
        raise_alert(event=event, now=NOON)
    assert end_overdue(now=NOON + timedelta(hours=7)) == 0
    assert end_overdue(now=NOON + timedelta(hours=8)) == 1
    (alert,) = desk.alerts()
    assert (alert.state, alert.resolved_by, alert.budget_id, alert.scope, alert.amount_nusd) == ("resolved", "CascadeFlow", budget.pk, "tenant", 100)
