"""Budgets that will not last, told before they run out."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, OuterRef, Subquery

from billing.alerting import BudgetNearlyExhausted, ForecastOverBudget, raise_alert
from billing.engine.budgets import BudgetScope, Period
from billing.models import BudgetWindow, Forecast
from billing.outlook import MOST_WINDOWS, BudgetOutlook, budget_outlooks, outlooks_of
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope

NEAR = {Period.DAILY: timedelta(hours=3), Period.WEEKLY: timedelta(days=1), Period.MONTHLY: timedelta(days=3), Period.TOTAL: timedelta(days=7)}
"""A budget that is expected to run out within this time is nearly exhausted."""


def foresee(*, now: datetime) -> int:
    """Look ahead for every tenant's budgets, and raise an alert for each that is expected to go over its limit, and for each that is about
    to run out: once a window. Returns how many. Early estimates raise none."""
    with platform_scope():
        tenants = list(Tenant.objects.filter(is_active=True).values_list("pk", "time_zone"))
    raised = 0
    for tenant_id, zone in tenants:
        with tenant_scope(tenant_id):
            raised += sum(_warn(outlook, zone=zone, now=now) for outlook in _outlooks(zone=zone, now=now))
    return raised


def _outlooks(*, zone: str, now: datetime) -> Iterator[BudgetOutlook]:
    yield from budget_outlooks(zone=zone, now=now)
    yield from outlooks_of(_windows_of_end_users(now=now), zone=zone, now=now)


def _windows_of_end_users(*, now: datetime) -> list[BudgetWindow]:
    """Return the end users' running windows that the high end of last night's forecast would fill: the fullest first, not all of a million."""
    forecast = Forecast.objects.filter(dimension="end_user", value=OuterRef("subject"))
    rows = BudgetWindow.objects.filter(
        Exists(forecast), budget__ended_at=None, budget__is_paused=False, start_at__lte=now, end_at__gt=now, spent_nusd__lt=F("limit_nusd")
    )
    filled = rows.exclude(subject="").annotate(ahead=Subquery(forecast.values("month_high_nusd")[:1])).filter(
        limit_nusd__lte=F("spent_nusd") + F("ahead")
    )
    return list(filled.select_related("budget").order_by(F("limit_nusd") - F("spent_nusd"))[:MOST_WINDOWS])


def _warn(outlook: BudgetOutlook, *, zone: str, now: datetime) -> int:
    if outlook.prediction.is_early or outlook.spent_nusd >= outlook.limit_nusd:
        return 0
    raised = 0
    if outlook.is_over and outlook.at_end is not None:
        over = ForecastOverBudget(
            **_facts(outlook), expected_nusd=outlook.at_end.expected_nusd, low_nusd=outlook.at_end.low_nusd, high_nusd=outlook.at_end.high_nusd
        )
        raised += raise_alert(event=over, now=now) is not None
    ends = outlook.runs_out
    if ends is not None and ends.expected is not None and _at(ends.expected, zone) <= now + NEAR[Period(outlook.budget.period)]:
        near = BudgetNearlyExhausted(
            **_facts(outlook), runs_out_at=_at(ends.expected, zone), earliest_at=_at(ends.earliest, zone) if ends.earliest else None,
            latest_at=_at(ends.latest, zone) if ends.latest else None,
        )  # fmt: skip
        raised += raise_alert(event=near, now=now) is not None
    return raised


def _facts(outlook: BudgetOutlook) -> dict[str, Any]:
    budget = outlook.budget
    return {
        "budget": budget.pk, "scope": budget.scope, "period": budget.period, "action": budget.action, "start_at": outlook.start_at,
        "end_at": outlook.end_at, "limit_nusd": outlook.limit_nusd, "spent_nusd": outlook.spent_nusd,
        "end_user": UUID(outlook.subject) if outlook.subject else None,
        "of_each": bool(outlook.subject) and (budget.scope == BudgetScope.TIER or not budget.subject),
    }


def _at(moment: date, zone: str) -> datetime:
    """A day begins at midnight of the tenant's zone."""
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=ZoneInfo(zone))
