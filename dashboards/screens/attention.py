"""What needs somebody's attention, the gravest first: budgets that are used up, anomalies, budgets that will not last, models."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse
from msgspec import Struct

from billing import reports
from billing.engine.alerts.events import BudgetEvent, BudgetNearlyExhausted, ForecastOverBudget
from billing.models import Anomaly
from billing.reports.pulse import ANOMALIES_SINCE
from cascade.models import CatalogModel
from dashboards.screens.anomalies import labels_of
from dashboards.templatetags.console import in_zone_short
from dashboards.templatetags.money import money, money_signed
from tenants.models import Tenant

MOST_PROBLEMS, MOST_ANOMALIES = 6, 3
NEAR_PERMILLE = 800
DOES = {"warn": "calls continue", "degrade": "calls take cheaper paths", "block": "calls are refused"}


class Problem(Struct, frozen=True, kw_only=True):
    """A line of "Needs attention"."""

    icon: str
    title: str
    detail: str
    url: str
    is_grave: bool = False


def problems_of(tenant: Tenant, *, now: datetime) -> list[Problem]:
    """Return what needs attention in the scope's tenant."""
    foreseen = reports.foreseen_budgets(now=now)
    rows = reports.budgets_by_risk(now=now).filter(Q(used_permille__gte=NEAR_PERMILLE) | Q(pk__in=list(foreseen), is_paused=False))
    budgets = list(rows.order_by("-used_permille")[: 2 * MOST_PROBLEMS])
    over = [budget for budget in budgets if budget.used_permille >= 1000]
    others = [budget for budget in budgets if budget.used_permille < 1000]
    found = [
        *(_used(budget, tenant) for budget in over), *_anomalies(_open_anomalies(now), tenant),
        *(_foreseen(budget, foreseen, tenant) for budget in others), *_models(tenant, now),
    ]  # fmt: skip
    return [problem for problem in found if problem is not None][:MOST_PROBLEMS]


def _used(budget: Any, tenant: Tenant) -> Problem:
    is_over = budget.used_permille >= 1000
    title = f"{budget} is {'over its limit' if budget.used_permille > 1000 else 'used up' if is_over else 'nearly used up'}"
    when = "Now" if is_over else "When it is reached,"
    detail = f"{budget.used_permille // 10} % of {money(budget.limit_now_nusd)}, {budget.period}. {when} {DOES[budget.action]}."
    return Problem(icon="bud", title=title, detail=detail, url=_budget_url(budget, tenant), is_grave=is_over)


def _foreseen(budget: Any, foreseen: Mapping[Any, BudgetEvent], tenant: Tenant) -> Problem | None:
    """What was foreseen under another limit holds no more."""
    event = foreseen.get(budget.pk)
    if event is None or event.limit_nusd != budget.limit_now_nusd:
        return _used(budget, tenant) if budget.used_permille >= NEAR_PERMILLE else None
    zone = tenant.time_zone
    if isinstance(event, BudgetNearlyExhausted):
        earliest = in_zone_short(event.earliest_at or event.runs_out_at, zone)
        latest = f"to {in_zone_short(event.latest_at, zone)}" if event.latest_at else "or not at all"
        title = f"{budget} runs out {in_zone_short(event.runs_out_at, zone)}"
        detail = f"80 %: {earliest} {latest}. Then {DOES[budget.action]}."
    elif isinstance(event, ForecastOverBudget):
        title = f"{budget} will go over its limit"
        band = f"80 %: {money(event.low_nusd)} to {money(event.high_nusd)}"
        detail = f"{money(event.expected_nusd)} expected by {in_zone_short(event.end_at, zone)} of {money(event.limit_nusd)} ({band})."
    else:
        return None
    return Problem(icon="bud", title=title, detail=detail, url=_budget_url(budget, tenant))


def _open_anomalies(now: datetime) -> list[Anomaly]:
    rows = reports.anomalies_by_impact(now=now).filter(reports.WORTH_TELLING, stands=Anomaly.State.OPEN, started_at__gte=now - ANOMALIES_SINCE)
    return list(rows.order_by("-impact_nusd")[:MOST_ANOMALIES])


def _anomalies(rows: Sequence[Anomaly], tenant: Tenant) -> Sequence[Problem]:
    labels = labels_of(rows, with_contributors=False)
    return [
        Problem(
            icon="anom", title=f"{money_signed(row.excess_nusd)}: {labels[row.dimension, row.value]}",
            detail=f"{in_zone_short(row.started_at, tenant.time_zone)}: {money(row.expected_nusd)} expected, {money(row.actual_nusd)} spent.",
            url=reverse("anomalies_one", args=[tenant.slug, row.pk]), is_grave=row.severity == "critical",
        )
        for row in rows
    ]  # fmt: skip


def _models(tenant: Tenant, now: datetime) -> Sequence[Problem]:
    """Where there is no price, to the model's panel, which has the form for one; else to what it costs."""
    troubles = reports.troubled_models(now=now)
    unpriced = [trouble.model for trouble in troubles if trouble.kind == "unpriced"]
    known = dict(CatalogModel.objects.filter(name__in=unpriced).values_list("name", "pk")) if unpriced else {}
    found, costs, models = [], reverse("costs", args=[tenant.slug]), reverse("models", args=[tenant.slug])
    for trouble in troubles:
        is_unpriced = trouble.kind == "unpriced"
        detail = f"{trouble.calls:,} calls in 7 days are booked at $0." if is_unpriced else f"It {trouble.reason}."
        title = f"{trouble.model} has no price" if is_unpriced else f"{trouble.model} is set aside"
        shown = known.get(trouble.model)
        url = f"{models}?sel={shown}" if shown else f"{costs}?f=model:{trouble.model.rpartition('/')[2]}"
        found.append(Problem(icon="warn", title=title, detail=detail, url=url, is_grave=False))
    return found


def _budget_url(budget: Any, tenant: Tenant) -> str:
    return f"{reverse('budgets', args=[tenant.slug])}?sel={budget.pk}"
