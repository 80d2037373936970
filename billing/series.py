"""What was spent under each name, step by step: many series at once, as the engines for forecasts and anomalies take them.

All functions read for the tenant of the scope. Amounts are nano-USD as 64-bit floats, exact up to nine million dollars a step.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from billing.models import DayRollup
from tenants.scoping import current_tenant_id

Floats = NDArray[np.float64]
FETCHED_AT_ONCE = 50_000

ACTIVE = """
SELECT value FROM billing_dayrollup
 WHERE tenant_id = %s AND dimension = %s AND day >= %s AND day <= %s GROUP BY value HAVING sum(cost_nusd) > 0 ORDER BY value
"""
BY_DAY = """
SELECT value, day - %s, cost_nusd FROM billing_dayrollup WHERE tenant_id = %s AND dimension = %s AND day >= %s AND day <= %s
"""
BY_BUCKET = """
SELECT value, floor(extract(epoch FROM start_at - %s) / %s)::int, sum(cost_nusd)::bigint FROM billing_quarterrollup
 WHERE tenant_id = %s AND dimension = %s AND start_at >= %s AND start_at < %s
"""
OF_NAMES = "AND (dimension, value) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
DAYS_OF_NAMES = f"""
SELECT dimension, value, day - %s, cost_nusd FROM billing_dayrollup WHERE tenant_id = %s AND day >= %s AND day <= %s {OF_NAMES}
"""  # noqa: S608 - all of it is ours
BUCKETS_OF_NAMES = f"""
SELECT dimension, value, floor(extract(epoch FROM start_at - %s) / %s)::int, sum(cost_nusd)::bigint FROM billing_quarterrollup
 WHERE tenant_id = %s AND start_at >= %s AND start_at < %s {OF_NAMES} GROUP BY 1, 2, 3
"""  # noqa: S608 - all of it is ours
Name = tuple[str, str]
"""A dimension, and a value of it."""


class SpendMatrix(NamedTuple):
    """What n names cost over T steps."""

    values: Sequence[str]
    """n names, in their order; the name of a tenant's own sum is ""."""
    amounts: Floats
    """(n, T): nano-USD, 0 where nothing was booked."""


def active_values(*, dimension: str, first: date, last: date) -> list[str]:
    """Return the names of the dimension that cost something between the days, both included, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(ACTIVE, [current_tenant_id(), dimension, first, last])
        return [value for (value,) in cursor.fetchall()]


def daily_spend(*, dimension: str, first: date, last: date, values: Sequence[str]) -> SpendMatrix:
    """Return the cost of each of `values` on each day from `first` to `last`, both included: the tenant's own days."""
    everything = [first, current_tenant_id(), dimension, first, last]
    return _filled(BY_DAY, everything, values=values, steps=(last - first).days + 1)


def bucketed_spend(*, dimension: str, first_at: datetime, buckets: int, length: timedelta, values: Sequence[str]) -> SpendMatrix:
    """Return the cost of each of `values` in each of the buckets that follow one another from `first_at` (UTC).

    A bucket is as long as `length`, a multiple of a quarter of an hour, and begins where a quarter does.
    """
    until = first_at + buckets * length
    everything = [first_at, length.total_seconds(), current_tenant_id(), dimension, first_at, until]
    return _filled(BY_BUCKET, everything, values=values, steps=buckets, grouped=True)


def daily_spend_of(names: Sequence[Name], *, first: date, last: date) -> Floats:
    """Return (n, T): the cost of each name, of whatever dimension, on each day from `first` to `last`, both included. One look."""
    return _filled_by_name(DAYS_OF_NAMES, [first, current_tenant_id(), first, last], names=names, steps=(last - first).days + 1)


def bucketed_spend_of(names: Sequence[Name], *, first_at: datetime, buckets: int, length: timedelta) -> Floats:
    """Return (n, T): the cost of each name, of whatever dimension, in each bucket from `first_at` (UTC) on. One look."""
    asked = [first_at, length.total_seconds(), current_tenant_id(), first_at, first_at + buckets * length]
    return _filled_by_name(BUCKETS_OF_NAMES, asked, names=names, steps=buckets)


def blocks(values: Sequence[str], *, size: int) -> Iterator[Sequence[str]]:
    """Yield the names in blocks of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def day_of_first_spend() -> date | None:
    """Return the first day on which the tenant booked anything."""
    return DayRollup.objects.filter(dimension=DayRollup.Dimension.ALL).order_by("day").values_list("day", flat=True).first()


def _filled(query: str, everything: list[Any], *, values: Sequence[str], steps: int, grouped: bool = False) -> SpendMatrix:
    rows = {value: row for row, value in enumerate(values)}
    amounts = np.zeros((len(values), steps))
    if not rows:
        return SpendMatrix(values, amounts)
    chosen = f"{query} AND value = ANY (%s){' GROUP BY 1, 2' if grouped else ''}"
    with connection.cursor() as cursor:
        cursor.execute(chosen, [*everything, list(values)])
        while fetched := cursor.fetchmany(FETCHED_AT_ONCE):
            names, columns, costs = zip(*fetched, strict=True)
            amounts[[rows[name] for name in names], columns] = costs
    return SpendMatrix(values, amounts)


def _filled_by_name(query: str, asked: list[Any], *, names: Sequence[Name], steps: int) -> Floats:
    rows = {name: row for row, name in enumerate(names)}
    amounts = np.zeros((len(names), steps))
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(query, [*asked, [name for name, _ in names], [value for _, value in names]])
            while fetched := cursor.fetchmany(FETCHED_AT_ONCE):
                dimensions, values, columns, costs = zip(*fetched, strict=True)
                amounts[[rows[name] for name in zip(dimensions, values, strict=True)], columns] = costs
    return amounts
