"""Soft marks that the ledger wrote become alerts. The ledger only inserts a row; everything else happens here, beside the calls."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from uuid import UUID

from billing.alerting.raising import raise_alert, supersede
from billing.engine.alerts.events import AlertEvent, AlertKind, BudgetMarkPassed
from billing.engine.budgets import BudgetScope
from billing.models import Alert, BudgetMark
from tenants.scoping import platform_scope, tenant_scope

AT_ONCE = 500


def announce_marks(*, now: datetime) -> int:
    """Make alerts of the marks of all tenants that nobody has announced. Returns how many marks that were.

    Of the marks that a window passed at one time the highest is told: it says the others. Alert and note are one transaction, so a mark is
    announced once, whoever dies; workers beside each other take different marks.
    """
    with platform_scope():
        found = BudgetMark.objects.filter(announced_at=None).order_by("reached_at", "percent")
        marks = list(found.select_related("window__budget").select_for_update(skip_locked=True, of=("self",))[:AT_ONCE])
        for tenant_id, highest in groupby(sorted(_highest(marks), key=_tenant), key=_tenant):
            with tenant_scope(tenant_id):
                for mark in highest:
                    _announce(mark, now=now)
        BudgetMark.objects.filter(pk__in=[mark.pk for mark in marks]).update(announced_at=now)
    return len(marks)


def _tenant(mark: BudgetMark) -> UUID:
    identity: UUID = mark.tenant_id
    return identity


def _highest(marks: Iterable[BudgetMark]) -> Iterable[BudgetMark]:
    highest: dict[int, BudgetMark] = {}
    for mark in marks:
        known = highest.get(mark.window_id)
        if known is None or mark.percent > known.percent:
            highest[mark.window_id] = mark
    return highest.values()


def _announce(mark: BudgetMark, *, now: datetime) -> None:
    event = event_of(mark)
    open_ones = Alert.objects.filter(kind=AlertKind.BUDGET_MARK, budget=event.budget, end_user_id=event.end_user).exclude(state=Alert.State.RESOLVED)
    older = [alert for alert in open_ones if _says_more(event, alert.event)]
    if raise_alert(event=event, now=now) is not None:
        supersede(alerts=older, now=now)


def _says_more(event: BudgetMarkPassed, older: AlertEvent) -> bool:
    return isinstance(older, BudgetMarkPassed) and (older.start_at, older.percent) < (event.start_at, event.percent)


def event_of(mark: BudgetMark) -> BudgetMarkPassed:
    """Return the event of a mark whose window and budget were read along."""
    window, budget = mark.window, mark.window.budget
    return BudgetMarkPassed(
        budget=budget.pk, scope=budget.scope, period=budget.period, action=budget.action, start_at=window.start_at, end_at=window.end_at,
        limit_nusd=mark.limit_nusd, spent_nusd=mark.spent_nusd, percent=mark.percent, end_user=_person(window.subject),
        of_each=budget.scope == BudgetScope.TIER or (budget.scope == BudgetScope.END_USER and not budget.subject),
    )


def _person(subject: str) -> UUID | None:
    try:
        return UUID(subject)
    except ValueError:
        return None
