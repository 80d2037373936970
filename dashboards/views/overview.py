"""The first page: are we fine, and if not, what do I click?"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from billing import outlook, reports
from billing.engine.budgets import BudgetScope, Period
from billing.engine.forecasting.prediction import PathStep
from billing.forecasts import HISTORY_DAYS
from dashboards.charts import opening_days, series_chart, swatches_of, with_anomalies, with_changes, with_forecast
from dashboards.last_range import keeps_range
from dashboards.ranges import COMPARISONS, Range, presets_of, range_of
from dashboards.screens.attention import problems_of
from dashboards.screens.changes import by_day, changes_of_days
from dashboards.screens.demos import offer_of
from dashboards.screens.explorer import HOUR_DIMENSIONS, cost_by_hours, total_before_by_hours
from dashboards.screens.marks import MOST_MARKS, anomalies_in, marks_of
from dashboards.screens.savings import runs_in
from dashboards.shell import membership_of, show, show_piece
from dashboards.templatetags.money import money, usd

DIMENSIONS = {"model": "model", "provider": "provider", "tier": "tier", "end_user": "end user", "domain": "domain", "api_key": "API key"}
SHOWN_LINES, SHOWN_ROWS = 8, 10
DAYS_AHEAD = 7


@keeps_range
def overview(request: HttpRequest) -> HttpResponse:
    now, tenant = timezone.now(), membership_of(request).tenant
    chosen = range_of(request.GET.dict(), zone=tenant.time_zone, now=now)
    group = request.GET.get("group", "model")
    group = group if group in (HOUR_DIMENSIONS if chosen.is_hours else DIMENSIONS) else "model"
    days = reports.spent_days(since=min(chosen.today - timedelta(days=HISTORY_DAYS), chosen.before[0] if chosen.before else chosen.today))
    series, previous = costs_of(chosen, group, days=days)
    swatches = swatches_of([line.value for line in series.lines], salt=f"{tenant.pk}{group}")
    runs, runs_before = runs_in(chosen)
    anomalies = anomalies_in(chosen, now=now)
    month = outlook.month_end_in(days, zone=tenant.time_zone, now=now)
    ahead = month.prediction.path[1 : 1 + DAYS_AHEAD] if chosen.is_partial and not chosen.is_hours and not chosen.back else ()
    figure = series_chart(
        series, swatches, unit="usd", previous=previous, previous_label=COMPARISONS[chosen.comparison].removeprefix("vs "),
        is_partial=chosen.is_partial and not chosen.back,
    )
    figure = with_forecast(with_anomalies(figure, marks_of(anomalies, chosen, tenant=tenant, by_hours=chosen.is_hours), totals=series.totals), ahead)
    changes = () if chosen.is_hours else changes_of_days(chosen.first, chosen.last, zone=chosen.zone)
    figure = with_changes(figure, by_day(changes, zone=chosen.zone))
    figure = opening_days(figure, f"{reverse('costs', args=[tenant.slug])}?range=custom&from={{day}}&to={{day}}&group={group}")
    context = {
        "range": chosen, "presets": presets_of(chosen), "comparisons": COMPARISONS, "group": group, "dimensions": DIMENSIONS,
        "spend": sum(series.totals), "spend_before": None if previous is None else sum(previous), "runs": runs, "runs_before": runs_before,
        "series": series, "lines": list(zip(series.lines, swatches, strict=True)), "previous": previous,
        "figure": figure, "month": month, "month_budget": _month_budget(now), "ahead": ahead,
        "sentence": sentence_of(series, chosen, anomalies=len(anomalies), ahead=ahead),
        "changes": changes, "offer": None if days else offer_of(request),
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
    if chosen.is_hours:
        return cost_by_hours(chosen, group, limit=SHOWN_LINES), total_before_by_hours(chosen)
    series = reports.series_by(dimension=group, first=chosen.first, last=chosen.last, limit=SHOWN_LINES)
    if chosen.before is None:
        return series, None
    amounts = [days.get(day, 0) for day in reports.days_between(*chosen.before)]
    return series, (amounts + [0] * chosen.days)[: chosen.days]


def sentence_of(series: reports.Series, chosen: Range, *, anomalies: int = 0, ahead: Sequence[PathStep] = ()) -> str:
    """Say the chart in words, for whoever does not see it."""
    totals = series.totals
    if not any(totals):
        return f"{chosen.label}: nothing was spent."
    highest = totals.index(max(totals))
    is_hours = isinstance(series.points[highest], datetime)
    each = "hour" if is_hours else "day"
    told = (
        f"{chosen.label}: {money(sum(totals))} in all, between ${usd(min(totals))} and ${usd(max(totals))} a {each}, "
        f"highest on {series.points[highest]:{'%-d %B at %H:%M' if is_hours else '%-d %B'}}."
    )
    if anomalies:
        told += f" {anomalies}{' or more' if anomalies == MOST_MARKS else ''} {'anomaly' if anomalies == 1 else 'anomalies'}."
    if ahead:
        spend = ahead[0].spend
        told += f" Tomorrow {money(spend.expected_nusd)} is expected, {money(spend.low_nusd)} to {money(spend.high_nusd)}."
    return told


def _tables(chosen: Range) -> tuple[Sequence[reports.Standing], Sequence[reports.Standing]]:
    found = reports.standings_of(
        dimensions=("end_user", "model"), first=chosen.first, last=chosen.last, before=chosen.before, limit=SHOWN_ROWS
    )  # fmt: skip
    return found["end_user"], found["model"]


def _month_budget(now: datetime) -> Any:
    """The tightest budget of the whole organisation for a month."""
    rows = reports.budgets_by_risk(now=now).filter(scope=BudgetScope.TENANT, period=Period.MONTHLY, is_paused=False)
    return rows.order_by("limit_now_nusd").first()
