"""The first page: are we fine, and if not, what do I click?"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from billing import outlook, reports
from billing.engine.budgets import BudgetScope, Period
from billing.forecasts import HISTORY_DAYS
from billing.models import Anomaly
from dashboards.charts import series_chart, swatches_of, with_anomalies, with_changes, with_forecast
from dashboards.ranges import COMPARISONS, Range, presets_of, range_of
from dashboards.screens.attention import problems_of
from dashboards.screens.changes import by_day, changes_of_days
from dashboards.screens.demos import offer_of
from dashboards.screens.savings import runs_in
from dashboards.shell import membership_of, show, show_piece
from dashboards.templatetags.money import money, usd
from tenants.models import Tenant

DIMENSIONS = {"model": "model", "provider": "provider", "tier": "tier", "end_user": "end user", "domain": "domain", "api_key": "API key"}
HOUR_DIMENSIONS = ("model", "tier", "end_user", "domain", "api_key")
SHOWN_LINES, SHOWN_ROWS, SHOWN_ANOMALIES = 8, 6, 100
DAYS_AHEAD = 7
HOUR = timedelta(hours=1)


def overview(request: HttpRequest) -> HttpResponse:
    now, tenant = timezone.now(), membership_of(request).tenant
    chosen = range_of(request.GET.dict(), zone=tenant.time_zone, now=now)
    group = request.GET.get("group", "model")
    group = group if group in (HOUR_DIMENSIONS if chosen.is_hours else DIMENSIONS) else "model"
    days = reports.spent_days(since=min(chosen.today - timedelta(days=HISTORY_DAYS), chosen.before[0] if chosen.before else chosen.today))
    series, previous = costs_of(chosen, group, days=days)
    swatches = swatches_of([line.value for line in series.lines], salt=f"{tenant.pk}{group}")
    runs, runs_before = runs_in(chosen)
    anomalies = _anomalies(chosen, now)
    month = outlook.month_end_in(days, zone=tenant.time_zone, now=now)
    ahead = month.prediction.path[1 : 1 + DAYS_AHEAD] if chosen.is_partial and not chosen.is_hours and not chosen.back else ()
    figure = series_chart(
        series, swatches, unit="usd", previous=previous, previous_label=COMPARISONS[chosen.comparison].removeprefix("vs "),
        is_partial=chosen.is_partial and not chosen.back,
    )
    figure = with_forecast(with_anomalies(figure, _marks(anomalies, chosen, tenant=tenant), totals=series.totals), ahead)
    changes = () if chosen.is_hours else changes_of_days(chosen.first, chosen.last, zone=chosen.zone)
    figure = with_changes(figure, by_day(changes, zone=chosen.zone))
    context = {
        "range": chosen, "presets": presets_of(chosen), "comparisons": COMPARISONS, "group": group, "dimensions": DIMENSIONS,
        "spend": sum(series.totals), "spend_before": None if previous is None else sum(previous), "runs": runs, "runs_before": runs_before,
        "series": series, "lines": list(zip(series.lines, swatches, strict=True)), "previous": previous,
        "figure": figure, "month": month, "month_budget": _month_budget(now), "ahead": ahead,
        "sentence": sentence_of(series, chosen), "changes": changes, "offer": None if days else offer_of(request),
    }  # fmt: skip
    return show(request, "console/overview.html", context, title="Overview", now=now)


def top(request: HttpRequest) -> HttpResponse:
    """The end users and models that cost most: a piece of the overview, for it looks at every name, and a page where no script runs."""
    now, tenant = timezone.now(), membership_of(request).tenant
    chosen = range_of(request.GET.dict(), zone=tenant.time_zone, now=now)
    users, models = _tables(chosen)
    spend = sum(cost for _, cost in reports.spend_by_day(first=chosen.first, last=chosen.last))
    context = {"range": chosen, "users": users, "models": models, "spend": spend}
    return show_piece(request, "console/top.html", "console/top_page.html", context, title="Who and what costs most", now=now)


def attention(request: HttpRequest) -> HttpResponse:
    """What needs attention: a piece of the overview, and a page where no script runs."""
    now, tenant = timezone.now(), membership_of(request).tenant
    context = {"problems": problems_of(tenant, now=now)}
    return show_piece(request, "console/attention.html", "console/attention_page.html", context, title="Needs attention", now=now)


def costs_of(chosen: Range, group: str, *, days: Mapping[date, int]) -> tuple[reports.Series, Sequence[int] | None]:
    """Return the cost by a dimension over a range, and the total of each point's counterpart before it. `days` is what each day cost in all."""
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
    amounts = [days.get(day, 0) for day in reports.days_between(*chosen.before)]
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


def _tables(chosen: Range) -> tuple[Sequence[reports.Standing], Sequence[reports.Standing]]:
    found = reports.standings_of(
        dimensions=("end_user", "model"), first=chosen.first, last=chosen.last, before=chosen.before, limit=SHOWN_ROWS
    )  # fmt: skip
    return found["end_user"], found["model"]


def _anomalies(chosen: Range, now: datetime) -> list[Anomaly]:
    """What was told in the range, the largest impact first."""
    start, end = chosen.instants
    rows = reports.anomalies_by_impact(now=now).filter(reports.WORTH_TELLING, started_at__gte=start, started_at__lt=end)
    return list(rows.order_by("-impact_nusd")[:SHOWN_ANOMALIES])


def _marks(rows: Sequence[Anomaly], chosen: Range, *, tenant: Tenant) -> Mapping[Any, str]:
    """Return where the largest anomaly of each point of the chart is told, by the point."""
    found: dict[Any, str] = {}
    for row in rows:
        local = row.started_at.astimezone(ZoneInfo(chosen.zone))
        point: Any = local.date()
        if chosen.start_at:
            point = (chosen.start_at + (row.started_at - chosen.start_at) // HOUR * HOUR).astimezone(ZoneInfo(chosen.zone))
        found.setdefault(point, reverse("anomalies_one", args=[tenant.slug, row.pk]))
    return found


def _month_budget(now: datetime) -> Any:
    """The tightest budget of the whole organisation for a month."""
    rows = reports.budgets_by_risk(now=now).filter(scope=BudgetScope.TENANT, period=Period.MONTHLY, is_paused=False)
    return rows.order_by("limit_now_nusd").first()
