"""The cost explorer: who spent what, in a picture, a table and a file."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from billing import reports
from billing.engine.money import to_usd
from cascade import run_reports
from dashboards.charts import Swatch, lines_chart, series_chart, swatches_of, with_changes
from dashboards.own_keys import keys_whose_costs
from dashboards.ranges import COMPARISONS, Range, presets_of, range_of
from dashboards.screens.changes import by_day, changes_of_days
from dashboards.screens.explorer import DIMENSIONS, LIMITS, METRICS, RUN_METRICS, Question, answer_of, chips_of, folded, question_of, with_filter
from dashboards.shell import may_wait, membership_of, show, show_piece
from dashboards.spreadsheets import csv_file
from dashboards.views.overview import sentence_of
from tenants.models import Tenant


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
        "is_of_own_keys": keys is not None, "chips": chips_of(request.GET),
        "longest": reports.LONGEST_PIVOT_DAYS,
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
    context |= _runs_shown(question, chosen) if question.is_of_runs else _shown(question, chosen, found, tenant)
    if keys is None:
        changes = changes_of_days(chosen.first, chosen.last, zone=chosen.zone)
        context |= {"changes": changes, "figure": with_changes(context["figure"], by_day(changes, zone=chosen.zone))}
    return _answer(request, {**context, "rows": _rows(question, chosen, found)}, now=now)


def _answer(request: HttpRequest, context: Mapping[str, Any], *, now: datetime) -> HttpResponse:
    """The whole page, or what comes after it: the calls themselves take longer to read than their sums."""
    return show_piece(request, "console/costs_answer.html", "console/costs.html", context, title="Cost explorer", now=now)


def _shown(question: Question, chosen: Range, found: reports.Series, tenant: Tenant) -> Mapping[str, Any]:
    series = folded(found, question.limit)
    swatches = swatches_of([line.value for line in series.lines], salt=f"{tenant.pk}{question.group}{question.subgroup}")
    previous = None
    if chosen.before and question.metric == "cost" and not question.filters:
        previous = [cost for _, cost in reports.spend_by_day(first=chosen.before[0], last=chosen.before[1])][: chosen.days]
    figure = series_chart(
        series, swatches, unit=question.unit, previous=previous, previous_label=COMPARISONS[chosen.comparison].removeprefix("vs "),
        is_partial=chosen.is_partial,
    )  # fmt: skip
    others = series.lines[question.limit].total if len(series.lines) > question.limit else 0
    return {
        "series": series, "lines": list(zip(series.lines, swatches, strict=True)), "figure": figure, "others": others, "total": sum(series.totals),
        "sentence": sentence_of(series, chosen) if question.metric == "cost" else f"{chosen.label}: {sum(series.totals):,} in all.",
    }  # fmt: skip


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
    }  # fmt: skip


def _rows(question: Question, chosen: Range, found: reports.Series) -> Sequence[Mapping[str, Any]]:
    """The table: one row a value, with what its runs did where runs are summed by that dimension."""
    values = [line.value for line in found.lines if line.value != reports.OTHER]
    total = sum(found.totals)
    by_runs = question.group in run_reports.DIMENSIONS and not question.needs_entries
    runs = run_reports.runs_by(dimension=question.group, values=values, first=chosen.first, last=chosen.last) if by_runs else {}
    before: Mapping[str, int] = {}
    if chosen.before and not question.needs_entries and question.metric == "cost":
        before = {row.name: row.cost_nusd for row in reports.spend_by(dimension=question.group, first=chosen.before[0], last=chosen.before[1])}
    return [
        {
            "line": line, "total": total, "runs": runs.get(line.value, run_reports.RunSums()) if by_runs else None,
            "before": before.get(line.value, 0) if before else None,
            "filter": f"{question.group}:{line.value}" if not question.subgroup and line.value != reports.OTHER else "",
        }
        for line in found.lines
    ]


def _file(found: reports.Series, question: Question, chosen: Range, *, name: str) -> HttpResponse:
    """The answer as CSV: one line a value and point."""
    headings = [DIMENSIONS[question.group], *([DIMENSIONS[question.subgroup]] if question.subgroup else [])]
    rows = [
        [point.isoformat(), line.label, to_usd(amount) if question.unit == "usd" else amount]
        for line in found.lines for point, amount in zip(found.points, line.amounts, strict=True) if amount
    ]  # fmt: skip
    headings = ["Day", " and ".join(headings), "Cost in USD" if question.unit == "usd" else question.label]
    return csv_file(f"{name}-{question.metric}-{chosen.first}-{chosen.last}.csv", headings=headings, rows=rows)
