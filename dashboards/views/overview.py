"""The first page: are we fine, and if not, what do I click?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from msgspec import Struct

from billing import reports
from cascade import run_reports
from dashboards.charts import series_chart, swatches_of
from dashboards.ranges import COMPARISONS, Range, presets_of, range_of
from dashboards.shell import membership_of, show
from dashboards.templatetags.money import money, usd
from tenants.models import Tenant

DIMENSIONS = {"model": "model", "provider": "provider", "tier": "tier", "end_user": "end user", "domain": "domain", "api_key": "API key"}
HOUR_DIMENSIONS = ("model", "tier", "end_user", "domain", "api_key")
SHOWN_LINES, SHOWN_ROWS, MOST_PROBLEMS = 8, 6, 6
NEAR_PERMILLE = 800
HOUR = timedelta(hours=1)


class Problem(Struct, frozen=True, kw_only=True):
    """A line of "Needs attention"."""

    icon: str
    title: str
    detail: str
    url: str
    is_grave: bool = False


def overview(request: HttpRequest) -> HttpResponse:
    now, tenant = timezone.now(), membership_of(request).tenant
    chosen = range_of(request.GET.dict(), zone=tenant.time_zone, now=now)
    group = request.GET.get("group", "model")
    group = group if group in (HOUR_DIMENSIONS if chosen.is_hours else DIMENSIONS) else "model"
    series, previous = costs_of(chosen, group)
    swatches = swatches_of([line.value for line in series.lines], salt=f"{tenant.pk}{group}")
    runs, runs_before = _runs(chosen)
    users, models = _tables(chosen)
    context = {
        "range": chosen, "presets": presets_of(chosen), "comparisons": COMPARISONS, "group": group, "dimensions": DIMENSIONS,
        "spend": sum(series.totals), "spend_before": None if previous is None else sum(previous), "runs": runs, "runs_before": runs_before,
        "series": series, "lines": list(zip(series.lines, swatches, strict=True)), "previous": previous, "users": users, "models": models,
        "figure": series_chart(
            series, swatches, unit="usd", previous=previous, previous_label=COMPARISONS[chosen.comparison].removeprefix("vs "),
            is_partial=chosen.is_partial and not chosen.back,
        ),
        "sentence": sentence_of(series, chosen), "problems": _problems(tenant, now),
    }  # fmt: skip
    return show(request, "console/overview.html", context, title="Overview", now=now)


def costs_of(chosen: Range, group: str) -> tuple[reports.Series, Sequence[int] | None]:
    """Return the cost by a dimension over a range, and the total of each point's counterpart before it."""
    if chosen.start_at and chosen.end_at:
        series = reports.spend_by_quarters(dimension=group, start_at=chosen.start_at, end_at=chosen.end_at, step=HOUR, limit=SHOWN_LINES)
        local = msgspec.structs.replace(series, points=[point.astimezone(ZoneInfo(chosen.zone)) for point in _instants(series.points)])
        if chosen.before_hours is None:
            return local, None
        start_at, end_at = chosen.before_hours
        return local, reports.spend_by_quarters(dimension="all", start_at=start_at, end_at=end_at, step=HOUR, limit=1).totals
    series = reports.series_by(dimension=group, first=chosen.first, last=chosen.last, limit=SHOWN_LINES)
    if chosen.before is None:
        return series, None
    amounts = [cost for _, cost in reports.spend_by_day(first=chosen.before[0], last=chosen.before[1])]
    return series, (amounts + [0] * chosen.days)[: chosen.days]


def sentence_of(series: reports.Series, chosen: Range) -> str:
    """Say the chart in words, for whoever does not see it."""
    totals = series.totals
    if not any(totals):
        return f"{chosen.label}: nothing was spent."
    highest = totals.index(max(totals))
    each = "hour" if chosen.is_hours else "day"
    return (
        f"{chosen.label}: {money(sum(totals))} in all, between ${usd(min(totals))} and ${usd(max(totals))} a {each}, "
        f"highest on {series.points[highest]:{'%-d %B at %H:%M' if chosen.is_hours else '%-d %B'}}."
    )


def _instants(points: Sequence[Any]) -> Sequence[datetime]:
    return points


def _runs(chosen: Range) -> tuple[run_reports.RunSums, run_reports.RunSums | None]:
    if chosen.start_at and chosen.end_at:
        return run_reports.runs_within(start_at=chosen.start_at, end_at=chosen.end_at), None
    return run_reports.runs_of_two_periods(first=chosen.first, last=chosen.last, before=chosen.before)


def _tables(chosen: Range) -> tuple[Sequence[reports.Standing], Sequence[reports.Standing]]:
    found = reports.standings_of(
        dimensions=("end_user", "model"), first=chosen.first, last=chosen.last, before=chosen.before, limit=SHOWN_ROWS
    )  # fmt: skip
    return found["end_user"], found["model"]


def _problems(tenant: Tenant, now: datetime) -> list[Problem]:
    """What needs attention, budgets that are used up first. Anomalies and forecasts are told here once they are there."""
    found = []
    budgets = reverse("budgets", args=[tenant.slug])
    for budget in reports.budgets_by_risk(now=now).filter(used_permille__gte=NEAR_PERMILLE).order_by("-used_permille")[:MOST_PROBLEMS]:
        over = budget.used_permille >= 1000
        title = f"{budget} is {'over its limit' if budget.used_permille > 1000 else 'used up' if over else 'nearly used up'}"
        words = {"warn": "calls continue", "degrade": "calls take cheaper paths", "block": "calls are refused"}[budget.action]
        when = "Now" if over else "When it is reached,"
        detail = f"{budget.used_permille // 10} % of {money(budget.limit_now_nusd)}, {budget.period}. {when} {words}."
        found.append(Problem(icon="bud", title=title, detail=detail, url=f"{budgets}?sel={budget.pk}", is_grave=over))
    costs = reverse("costs", args=[tenant.slug])
    for trouble in reports.troubled_models(now=now):
        is_unpriced = trouble.kind == "unpriced"
        detail = f"{trouble.calls:,} calls in 7 days are booked at $0." if is_unpriced else f"It {trouble.reason}."
        title = f"{trouble.model} has no price" if is_unpriced else f"{trouble.model} is set aside"
        found.append(Problem(icon="warn", title=title, detail=detail, url=f"{costs}?f=model:{trouble.model.rpartition('/')[2]}", is_grave=False))
    return found[:MOST_PROBLEMS]
