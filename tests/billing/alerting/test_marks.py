"""From a call that is settled to the alert about its budget: each mark once, and the calls notice nothing of it."""

import uuid
from datetime import timedelta

from django.db import connection

from billing.alerting.delivering import deliver_alerts
from billing.alerting.marks import announce_marks
from billing.models import Alert, Budget, BudgetMark
from tenants.scoping import platform_scope, tenant_scope
from tests.billing.alerting.conftest import NOON, Desk
from tests.cast import Cast
from tests.rest import book


def spend(desk: Desk, amount: int, *, end_user: uuid.UUID | None = None) -> None:
    with tenant_scope(desk.tenant.pk):
        book(desk.tenant, amount_nusd=amount, end_user=end_user)


def budget(desk: Desk, limit: int = 100, **fields: object) -> Budget:
    with tenant_scope(desk.tenant.pk):
        return Budget.objects.create(**{"scope": "tenant", "period": "daily", "limit_nusd": limit, "name": "Acme's day", **fields})


def marks(desk: Desk) -> list[BudgetMark]:
    with tenant_scope(desk.tenant.pk):
        return list(BudgetMark.objects.order_by("percent"))


def test_a_mark_becomes_one_alert_however_often_it_is_looked_for(desk: Desk) -> None:
    made = budget(desk)
    spend(desk, 50)
    assert announce_marks(now=desk.clock()) == 1
    assert announce_marks(now=desk.clock()) == 0
    (alert,) = desk.alerts()
    assert (alert.kind, alert.severity, alert.budget_id, alert.scope, alert.amount_nusd) == ("budget_mark", "info", made.pk, "tenant", 50)
    assert alert.facts["percent"] == 50
    assert all(mark.announced_at == desk.clock() for mark in marks(desk))


def test_of_marks_that_are_passed_together_the_highest_is_told(desk: Desk) -> None:
    budget(desk, action="block")
    spend(desk, 100)
    assert announce_marks(now=desk.clock()) == 3
    (alert,) = desk.alerts()
    assert (alert.facts["percent"], alert.severity) == (100, "critical")
    assert len([mark for mark in marks(desk) if mark.announced_at]) == 3


def test_a_higher_mark_ends_the_alert_of_a_lower_one_without_a_word(desk: Desk) -> None:
    budget(desk, action="warn")
    for amount in (50, 30, 20):
        spend(desk, amount)
        announce_marks(now=desk.clock())
        desk.clock.tick(minutes=1)
    assert [(alert.facts["percent"], alert.state) for alert in desk.alerts()] == [(50, "resolved"), (80, "resolved"), (100, "open")]
    assert [alert.to_route for alert in desk.alerts()] == ["raised", "raised", "raised"]


def test_a_budget_that_each_end_user_has_is_daily_business_and_names_the_person_by_our_id_alone(desk: Desk, cast: Cast) -> None:
    budget(desk, scope="end_user", action="block")
    spend(desk, 100, end_user=cast.ann.pk)
    announce_marks(now=desk.clock())
    (alert,) = desk.alerts()
    assert (alert.severity, alert.end_user_id, alert.facts["of_each"]) == ("info", cast.ann.pk, True)
    assert "ann" not in str(alert.facts)


def test_marks_of_all_tenants_are_announced_each_in_its_own(desk: Desk, cast: Cast) -> None:
    theirs = Desk(cast.globex, desk.clock)
    for one in (desk, theirs):
        budget(one)
        spend(one, 80)
    announce_marks(now=desk.clock())
    assert [len(desk.alerts()), len(theirs.alerts())] == [1, 1]
    with platform_scope():
        assert {alert.tenant_id for alert in Alert.objects.all()} >= {cast.acme.pk, cast.globex.pk}


def test_a_mark_that_is_undone_with_its_alert_is_announced_later(desk: Desk, monkeypatch: object) -> None:
    budget(desk)
    spend(desk, 50)
    from django.db import transaction

    with transaction.atomic():
        announce_marks(now=desk.clock())
        transaction.set_rollback(True)
    assert desk.alerts() == []
    assert announce_marks(now=desk.clock()) == 1


def test_the_application_may_note_that_a_mark_was_announced_and_change_nothing_else_of_it(desk: Desk) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_column_privilege('billing_budgetmark', 'announced_at', 'UPDATE'), has_column_privilege('billing_budgetmark', 'percent',"
            " 'UPDATE'), has_table_privilege('billing_budgetmark', 'INSERT'), has_table_privilege('billing_budgetmark', 'DELETE')"
        )
        assert cursor.fetchone() == (True, False, False, False)


def test_the_sweep_tells_of_a_budget_in_one_tick_and_of_its_window_no_more_once_it_ended(desk: Desk) -> None:
    desk.rule(desk.channel(address="https://127.0.0.1:9/"), min_severity="info")
    budget(desk)
    spend(desk, 50)
    desk.clock.now = marks(desk)[0].reached_at
    deliver_alerts(clock=desk.clock)
    (message,) = desk.messages()
    assert (message.event, message.attempts) == ("alert.raised", 1)
    desk.clock.now = NOON + timedelta(days=400)
    deliver_alerts(clock=desk.clock)
    assert desk.alerts()[0].state == "resolved"
