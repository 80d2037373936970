"""Reports that are read on a page, for one month: as facts and a table, which is the file too."""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct

from billing.reports.chargeback import DIMENSIONS, budget_report, chargeback
from billing.reports.statements import month_of, month_statement
from cascade.savings import savings_statement
from dashboards.screens.savings import PARTS
from tenants.models import Tenant

BY = {"end_user": "End user", "tier": "Tier", "key": "API key", "tag": "Tag", "domain": "Domain", "model": "Model"}
assert BY.keys() == DIMENSIONS.keys()
MOST = 1_000
"""Lines on a page: the file of the export has all."""


class Column(Struct, frozen=True, kw_only=True):
    """`unit` is usd for amounts in nano-USD, count for whole numbers, empty for texts."""

    label: str
    unit: str = ""


class Reading(Struct, frozen=True, kw_only=True):
    """A report of a month: `facts` are labels and amounts in nano-USD, `note` says what the numbers leave out."""

    facts: Sequence[tuple[str, int]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | int]]
    note: str = ""


def reading_of(report: str, *, month: date, by: str, tenant: Tenant) -> Reading:
    """Return one of dashboards.screens.reports.READINGS. `by` is what a chargeback is split by."""
    if report == "chargeback":
        return _chargeback(month, by, tenant)
    return {"statement": _statement, "budgets": _budgets, "savings": _savings}[report](month, tenant)


def _statement(month: date, tenant: Tenant) -> Reading:
    days = month_of(tenant=tenant, day=month)
    found, lines = month_statement(month=days), chargeback(month=days, dimension="model", limit=MOST)
    return Reading(
        facts=[
            ("Opened with", found.opening_nusd), ("Calls", found.usage_nusd), ("Corrections", found.adjustments_nusd),
            ("Closed with", found.closing_nusd),
        ],
        columns=_columns("Model"), rows=[_charge(line.name, line) for line in lines],
        note=f"{found.entries:,} entries of the book. What it opened with is all that was booked before.",
    )  # fmt: skip


def _chargeback(month: date, by: str, tenant: Tenant) -> Reading:
    lines = chargeback(month=month_of(tenant=tenant, day=month), dimension=by, limit=MOST)
    note = "A call with several tags counts under each of them, so the lines sum to more than was booked." if by == "tag" else ""
    if len(lines) == MOST:
        note = f"The dearest {MOST:,}. The file under “To take away” has all of them. {note}"
    facts = [] if by == "tag" or len(lines) == MOST else [("In all", sum(line.cost_nusd for line in lines))]
    return Reading(
        facts=facts, columns=_columns(BY[by]), rows=[_charge(line.name, line) for line in lines], note=note
    )


def _budgets(month: date, tenant: Tenant) -> Reading:
    lines = budget_report(month=month_of(tenant=tenant, day=month))
    columns = [
        Column(label="Budget"), Column(label="Period"), Column(label="Began on"), Column(label="Limit", unit="usd"),
        Column(label="Spent", unit="usd"), Column(label="Left", unit="usd"), Column(label="Overrun", unit="usd"),
    ]  # fmt: skip
    rows = [
        (line.budget, line.period, line.start_on.isoformat(), line.limit_nusd, line.spent_nusd, line.left_nusd, line.overrun_nusd)
        for line in lines[:MOST]
    ]
    note = "By the time of the calls, as budgets count; windows of several budgets hold the same calls."
    return Reading(facts=[], columns=columns, rows=rows, note=note)


def _savings(month: date, tenant: Tenant) -> Reading:
    days = month_of(tenant=tenant, day=month)
    found = savings_statement(start_at=days.start_at, end_at=days.end_at)
    return Reading(
        facts=[("Without the cascade", found.baseline_nusd), ("With it", found.actual_nusd), ("Saved", found.saved_nusd)],
        columns=[Column(label="Saved by"), Column(label="Amount", unit="usd")],
        rows=[(label, getattr(found, name)) for label, name, _ in PARTS] if found.runs else [],
        note=f"{found.runs:,} runs with a baseline, {found.runs_without_baseline:,} without one, which are in no sum. The baseline of a run is one "
        "call of the baseline model, priced at the time. Rejected drafts count as cost.",
    )


def _columns(label: str) -> Sequence[Column]:
    usd = (Column(label=name, unit="usd") for name in ("Calls' cost", "Corrections", "Cost"))
    return [Column(label=label), Column(label="Calls", unit="count"), *usd]


def _charge(name: str, line: object) -> tuple[str | int, ...]:
    values: Mapping[str, int] = {field: getattr(line, field) for field in ("calls", "usage_nusd", "adjustments_nusd", "cost_nusd")}
    return (name or "none", *values.values())
