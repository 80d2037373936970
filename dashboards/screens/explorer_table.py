"""The table of the cost explorer: a row for each value, with what its calls and its runs did, and a row for all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing import reports
from cascade import run_reports
from dashboards.ranges import Range
from dashboards.screens.explorer import MOST_ROWS, Question
from dashboards.screens.runs import RUN_PARAMETERS, address_of_runs
from tenants.models import Tenant


def rows_of(
    question: Question, chosen: Range, found: reports.Series, earlier: reports.Series | None, *, tenant: Tenant
) -> Sequence[Mapping[str, Any]]:  # fmt: skip
    """The table: one row a value, with what its calls and runs did where sums are kept by that dimension."""
    values = [line.value for line in found.lines if line.value != reports.OTHER]
    total, days = sum(found.totals), {"first": chosen.first, "last": chosen.last}
    is_summed = not question.needs_entries and not question.is_by_hours(chosen)
    by_runs = question.group in run_reports.DIMENSIONS and is_summed
    runs = run_reports.runs_by(dimension=question.group, values=values, **days) if by_runs else {}
    spent = {row.name: row for row in reports.spend_by(dimension=question.group, limit=MOST_ROWS, values=values, **days)} if is_summed else {}
    before: Mapping[str, int] | None = {line.value: line.total for line in earlier.lines} if earlier else None
    if chosen.before and is_summed and question.metric == "cost":
        first, last = chosen.before
        rows = reports.spend_by(dimension=question.group, first=first, last=last, limit=MOST_ROWS, values=values)
        before = {row.name: row.cost_nusd for row in rows}
    return [
        {
            "line": line, "total": total, "runs": runs.get(line.value, run_reports.RunSums()) if by_runs else None, "spent": spent.get(line.value),
            "before": None if before is None or line.value == reports.OTHER else before.get(line.value, 0),
            "filter": f"{question.group}:{line.value}" if _narrows(question, line) else "",
            "runs_url": _runs_url(question, line, chosen, tenant=tenant),
        }
        for line in found.lines
    ]


def _narrows(question: Question, line: reports.Line) -> bool:
    return not question.subgroup and not question.is_by_status and line.value != reports.OTHER


def _runs_url(question: Question, line: reports.Line, chosen: Range, *, tenant: Tenant) -> str:
    """The runs of a value in the range, where their list is narrowed by its dimension."""
    if question.group not in RUN_PARAMETERS or not line.value or question.subgroup or line.value == reports.OTHER:
        return ""
    return address_of_runs(*chosen.instants, values={question.group: line.value}, tenant=tenant)


def sorted_by(rows: Sequence[Mapping[str, Any]], *, by: str) -> Sequence[Mapping[str, Any]]:
    """Dearest first, or by another column of the table, the largest first; names by the alphabet."""
    if by == "name":
        return sorted(rows, key=lambda row: row["line"].label.lower())
    if by == "change" and rows and rows[0]["before"] is not None:
        return sorted(rows, key=lambda row: row["line"].total - (row["before"] or 0), reverse=True)
    if by in ("runs", "failed") and rows and rows[0]["runs"]:
        return sorted(rows, key=lambda row: getattr(row["runs"], by), reverse=True)
    return rows


def together(rows: Sequence[Mapping[str, Any]], *, before: int | None) -> Mapping[str, Any]:
    """The last row of the table; `before` is what everything cost, also values that are gone.

    Runs are not added up: a run that failed has no model, and one of several steps would count under each.
    """
    spent = [row["spent"] for row in rows if row["spent"]]
    return {
        "total": sum(row["line"].total for row in rows), "before": before,
        "input_tokens": sum(one.input_tokens for one in spent), "output_tokens": sum(one.output_tokens for one in spent),
    }  # fmt: skip
