"""The cost explorer: who spent what, in a picture, a table and a file."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from billing import reports
from billing.engine.money import to_usd
from cascade import run_reports
from dashboards.charts import Swatch, lines_chart, series_chart, swatches_of, with_anomalies, with_changes
from dashboards.last_range import keeps_range
from dashboards.own_keys import keys_whose_costs
from dashboards.ranges import COMPARISONS, Range, presets_of, range_of
from dashboards.screens.changes import by_day, changes_of_days
from dashboards.screens.explorer import (
    DIMENSIONS,
    ENTRY_DIMENSIONS,
    LIMITS,
    METRICS,
    RUN_METRICS,
    Question,
    answer_before,
    answer_of,
    chips_of,
    folded,
    question_of,
    total_before_by_hours,
    with_filter,
)
from dashboards.screens.explorer_table import rows_of, sorted_by, together
from dashboards.screens.marks import anomalies_in, marks_of
from dashboards.shell import may_wait, membership_of, show, show_part, show_piece
from dashboards.spreadsheets import csv_file
from dashboards.views.overview import sentence_of
from tenants.end_users import LONGEST_NAME
from tenants.models import Tenant

MOST_VALUES, DAYS_OF_VALUES = 20, 28


@keeps_range
def costs(request: HttpRequest) -> HttpResponseBase:
    if (query := with_filter(request.GET)) is not None:
        return redirect(f"{request.path}?{query}")
    now, tenant = timezone.now(), membership_of(request).tenant
    chosen = range_of(request.GET.dict(), zone=tenant.time_zone, now=now)
    keys = keys_whose_costs(membership_of(request))
    question = question_of(request.GET, tenant=tenant, keys=keys)
    context: dict[str, Any] = {
        "range": chosen, "presets": presets_of(chosen), "comparisons": COMPARISONS, "question": question, "dimensions": DIMENSIONS,
        "metrics": METRICS, "run_metrics": RUN_METRICS if keys is None else {}, "limits": LIMITS,
        "is_of_own_keys": keys is not None, "chips": chips_of(request.GET), "entry_dimensions": ENTRY_DIMENSIONS,
        "is_by_hours": question.is_by_hours(chosen),
    }  # fmt: skip
    is_file = request.GET.get("format") == "csv"
    if question.needs_entries and not is_file and not may_wait(request):
        return show(request, "console/costs.html", {**context, "is_later": True}, title="Cost explorer", now=now)
    try:
        found = answer_of(question, chosen)
    except reports.TooMuchToRead as reason:
        return _answer(request, {**context, "too_much": str(reason)}, now=now)
    if is_file:
        return _file(found, question, chosen, name=tenant.slug)
    before = answer_before(question, chosen)
    context |= _runs_shown(question, chosen) if question.is_of_runs else _shown(question, chosen, found, before, tenant)
    if keys is None and not question.is_by_hours(chosen):
        changes = changes_of_days(chosen.first, chosen.last, zone=chosen.zone)
        context |= {"changes": changes, "figure": with_changes(context["figure"], by_day(changes, zone=chosen.zone))}
    if keys is None and question.metric == "cost" and not question.filters:
        marks = marks_of(anomalies_in(chosen, now=now), chosen, tenant=tenant, by_hours=question.is_by_hours(chosen))
        context["figure"] = with_anomalies(context["figure"], marks, totals=found.totals)
    rows = sorted_by(rows_of(question, chosen, found, before, tenant=tenant), by=request.GET.get("sort", ""))
    return _answer(request, {**context, "rows": rows, "all": together(rows, before=context["before"])}, now=now)


def values(request: HttpRequest) -> HttpResponse:
    """Options for the value of a filter: names of one dimension that hold what was typed."""
    dimension, text = request.GET.get("dim", ""), request.GET.get("value", "").replace("\x00", "").strip()[:LONGEST_NAME]
    since = timezone.now().date() - timedelta(days=DAYS_OF_VALUES)
    names = reports.names_like(text, dimension=dimension, since=since, limit=MOST_VALUES) if dimension in ENTRY_DIMENSIONS else ()
    return show_part(request, "console/costs_values.html", {"names": names})


def _answer(request: HttpRequest, context: Mapping[str, Any], *, now: datetime) -> HttpResponse:
    """The whole page, or what comes after it: the calls themselves take longer to read than their sums."""
    return show_piece(request, "console/costs_answer.html", "console/costs.html", context, title="Cost explorer", now=now)


def _shown(
    question: Question, chosen: Range, found: reports.Series, before: reports.Series | None, tenant: Tenant
) -> Mapping[str, Any]:  # fmt: skip
    series = folded(found, question.limit)
    swatches = swatches_of([line.value for line in series.lines], salt=f"{tenant.pk}{question.group}{question.subgroup}")
    previous = before.totals[: chosen.days] if before else _previous(question, chosen)
    figure = series_chart(
        series, swatches, unit=question.unit, previous=previous, previous_label=COMPARISONS[chosen.comparison].removeprefix("vs "),
        is_partial=chosen.is_partial,
    )  # fmt: skip
    others = series.lines[question.limit].total if len(series.lines) > question.limit else 0
    return {
        "series": series, "lines": list(zip(series.lines, swatches, strict=True)), "figure": figure, "others": others,
        "before": None if previous is None or question.is_by_hours(chosen) else sum(previous), "total": sum(series.totals),
        "sentence": sentence_of(series, chosen) if question.metric == "cost" else f"{chosen.label}: {sum(series.totals):,} in all.",
    }  # fmt: skip


def _previous(question: Question, chosen: Range) -> Sequence[int] | None:
    """What each point's counterpart cost in all. Not every call has a tag, and one may have several, so that all is no counterpart of tags."""
    if question.metric != "cost" or question.needs_entries or question.group == "tag":
        return None
    if question.is_by_hours(chosen):
        return total_before_by_hours(chosen)
    if chosen.before is None:
        return None
    return [cost for _, cost in reports.spend_by_day(first=chosen.before[0], last=chosen.before[1])][: chosen.days]


def _runs_shown(question: Question, chosen: Range) -> Mapping[str, Any]:
    """Numbers of runs are told for all runs together, as a line."""
    label, name, unit = RUN_METRICS[question.metric]
    days = run_reports.runs_by_day(first=chosen.first, last=chosen.last)
    points = reports.days_between(chosen.first, chosen.last)
    nothing = 0 if unit == "count" or question.metric == "saved" else None
    amounts = [getattr(days[point], name) if point in days else nothing for point in points]
    line = reports.Line(value="all", label="All runs", amounts=[amount or 0 for amount in amounts])
    return {
        "series": reports.Series(points=points, lines=[line], names=1), "lines": [(line, Swatch("k1"))], "others": 0,
        "figure": lines_chart(points, {label: amounts}, unit=unit), "sentence": f"{label} for all runs together, {chosen.label}.", "total": None,
        "before": None,
    }  # fmt: skip


def _file(found: reports.Series, question: Question, chosen: Range, *, name: str) -> HttpResponse:
    """The answer as CSV: one line a value and point."""
    headings = [DIMENSIONS[question.group], *([DIMENSIONS[question.subgroup]] if question.subgroup else [])]
    rows = [
        [point.isoformat(), line.label, to_usd(amount) if question.unit == "usd" else amount]
        for line in found.lines for point, amount in zip(found.points, line.amounts, strict=True) if amount
    ]  # fmt: skip
    point = f"{'Hour' if question.is_by_hours(chosen) else 'Day'} ({chosen.zone})"
    headings = [point, " and ".join(headings), "Cost in USD" if question.unit == "usd" else question.label]
    return csv_file(f"{name}-{question.metric}-{chosen.first}-{chosen.last}.csv", headings=headings, rows=rows)
