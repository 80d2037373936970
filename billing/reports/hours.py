"""What was spent within a day or two, from the sums of quarters of an hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Sum

from billing.models import QuarterRollup
from billing.reports.series import OTHER, Series, lines_of
from billing.reports.spend import Spend
from tenants.scoping import current_tenant_id

QUARTER_DIMENSIONS = tuple(QuarterRollup.Dimension.values)


def spend_in_quarters(*, start_at: datetime, end_at: datetime) -> Spend:
    """Return what was booked in the quarters of an hour that begin from `start_at` on and before `end_at`. They are kept for 35 days."""
    rows = QuarterRollup.objects.filter(dimension="all", start_at__gte=start_at, start_at__lt=end_at)
    sums = rows.aggregate(cost=Sum("cost_nusd"), calls=Sum("calls"), tokens_in=Sum("input_tokens"), tokens_out=Sum("output_tokens"))
    return Spend(
        name="", cost_nusd=int(sums["cost"] or 0), entries=int(sums["calls"] or 0), input_tokens=int(sums["tokens_in"] or 0),
        output_tokens=int(sums["tokens_out"] or 0),
    )


def spend_by_quarters(*, dimension: str, start_at: datetime, end_at: datetime, step: timedelta, limit: int) -> Series:
    """Return the cost by one dimension in steps of whole quarters from `start_at` to `end_at`: the `limit` dearest, and the rest as one line.

    Worked number: 24 hours in steps of one hour make 24 points. Raises ValueError for a dimension that quarters are not summed by.
    """
    if dimension not in QUARTER_DIMENSIONS:
        raise ValueError(f"quarters of an hour are not summed by {dimension!r}")
    query = """
        WITH quarters AS MATERIALIZED (
          SELECT date_bin(%(step)s, q.start_at, %(start)s) AS point, q.value, q.cost_nusd AS amount FROM billing_quarterrollup q
           WHERE q.tenant_id = %(tenant)s AND q.start_at >= %(start)s AND q.start_at < %(end)s AND q.dimension = %(dimension)s
        ), ranked AS (
          SELECT value, row_number() OVER (ORDER BY sum(amount) DESC, value) AS rank, count(*) OVER () AS names FROM quarters GROUP BY value
        )
        SELECT q.point, CASE WHEN r.rank <= %(limit)s THEN q.value ELSE %(other)s END, least(r.rank, %(limit)s + 1), sum(q.amount)::bigint,
               max(r.names)
          FROM quarters q JOIN ranked r ON r.value = q.value GROUP BY 1, 2, 3"""
    asked: dict[str, Any] = {
        "tenant": current_tenant_id(), "step": step, "start": start_at, "end": end_at, "dimension": dimension, "limit": limit, "other": OTHER,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        rows = cursor.fetchall()
    return lines_of(rows, dimension=dimension, points=steps_between(start_at, end_at, step))


def steps_between(start_at: datetime, end_at: datetime, step: timedelta) -> Sequence[datetime]:
    return [start_at + number * step for number in range(-(-(end_at - start_at) // step))]
