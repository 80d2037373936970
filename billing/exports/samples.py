"""What a file would hold, before it is asked for: its columns, a few rows of its newest day, and about how many rows it has."""

from collections.abc import Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from django.db.models import Count, Sum
from msgspec import Struct

from billing.exports.columns import Column
from billing.exports.making import Prepared, prepare
from billing.exports.reading import moment
from billing.exports.wanted import Wanted
from billing.models import CostEntry, DayRollup

ROWS = 5
LONGEST_MS = 3_000
"""A sample that the database needs longer for is left out."""
DIMENSIONS = {"api_key_id": "api_key", "end_user_id": "end_user"}
"""Filters that rollups call otherwise."""


class Sample(Struct, frozen=True, kw_only=True):
    """`rows` are cells as they stand in CSV, None where nothing stands; `rows_expected` is None where it is not known before the file is made."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | None]]
    day: date | None
    """The day that the rows are of; None where nothing was booked in the period."""
    rows_expected: int | None
    is_most: bool = False
    """Is the number a bound: at most so many?"""


def sample(wanted: Wanted, *, catalog: Mapping[str, Mapping[str, str]] | None = None) -> Sample:
    """Return the columns of an export of the scope's tenant, up to five rows, and how many rows to expect. Raises UnknownExport.

    How many rows: entries and usage by the sums that are kept per day, narrowed by one filter at a time, so of several it is a bound; budgets
    are counted; FOCUS as many rows a day as the sampled day has, for each day with calls. Days of the sums are those of the calls, so a month's
    number may differ by calls around midnight. Worked number: 30 days with calls, the newest of them 12 rows of FOCUS: about 360.
    """
    prepared = prepare(wanted, catalog=catalog)
    day = _newest_day(prepared)
    columns = prepared.table.columns
    if day is None:
        return Sample(columns=columns, rows=[], day=None, rows_expected=0)
    try:
        rows, of_day = _rows(prepared, day, catalog=catalog)
    except psycopg.errors.QueryCanceled:
        return Sample(columns=columns, rows=[], day=day, rows_expected=None)
    expected, is_most = _expected(wanted, of_day=of_day)
    return Sample(columns=columns, rows=rows, day=day, rows_expected=expected, is_most=is_most)


def _newest_day(prepared: Prepared) -> date | None:
    if prepared.wanted.what == "budgets":
        return prepared.wanted.last
    days = prepared.days
    booked = CostEntry.objects.filter(booked_at__gte=days.start_at, booked_at__lt=days.end_at).order_by("-booked_at", "-id")
    at = booked.values_list("booked_at", flat=True).first()
    return at.astimezone(ZoneInfo(days.zone)).date() if at else None


def _rows(
    prepared: Prepared, day: date, *, catalog: Mapping[str, Mapping[str, str]] | None
) -> tuple[Sequence[Sequence[str | None]], int]:  # fmt: skip
    """The first rows of the day, and how many there are."""
    wanted = prepared.wanted
    of_day = prepared if wanted.what == "budgets" else prepare(msgspec.structs.replace(wanted, first=day, last=day), catalog=catalog)
    with moment(tenant_id=prepared.tenant_id, days=of_day.days) as book:
        return book.head(of_day.table, rows=ROWS, longest_ms=LONGEST_MS)


def _expected(wanted: Wanted, *, of_day: int) -> tuple[int | None, bool]:
    kept = DayRollup.objects.filter(day__gte=wanted.first, day__lte=wanted.last)
    if wanted.what == "budgets":
        return of_day, False
    if wanted.what == "usage":
        known = DayRollup.Dimension.ALL if wanted.dimension in ("all", "kind") else wanted.dimension
        return kept.filter(dimension=known).count(), bool(wanted.filters)
    whole = kept.filter(dimension=DayRollup.Dimension.ALL).aggregate(entries=Sum("entries"), days=Count("day"))
    if wanted.what == "focus":
        return of_day * max(whole["days"], 1) or None, False
    narrowed = [
        kept.filter(dimension=DIMENSIONS.get(name, name), value=value).aggregate(entries=Sum("entries"))["entries"] or 0
        for name, value in wanted.filters.items() if name != "kind"
    ]  # fmt: skip
    return min([whole["entries"] or 0, *narrowed]), len(wanted.filters) > 1 or "kind" in wanted.filters
