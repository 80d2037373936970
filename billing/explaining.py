"""Why an anomaly cost what it cost: read from the entries of its time, and of the same time in the weeks before."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from msgspec import Struct

from billing.engine.anomalies.anomaly import Anomaly, Series
from billing.engine.anomalies.consumption import Consumption, Used
from billing.engine.anomalies.contributions import Contributions, contributions_of
from billing.engine.anomalies.drivers import Driver, drivers_of
from billing.engine.pricing import Price, Usage
from billing.models import ModelPrice, PlatformPrice
from billing.pricebook import price_of
from tenants.scoping import current_tenant_id

WEEKS_BEFORE = 4
COLUMNS = {"end_user": "end_user_id", "api_key": "api_key_id", "model": "model", "domain": "domain", "tier": "tier"}
"""Where an entry has the value of a dimension."""
EXPLAINED_BY = ("api_key", "end_user", "model", "domain")

PICKED = """
WITH picked AS (
  SELECT e.* FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS w(start_at, end_at)
    JOIN billing_costentry e ON e.booked_at >= w.start_at AND e.booked_at < w.end_at
   WHERE e.tenant_id = %s AND e.kind <> 'adjustment' AND e.reference = '' {condition}
)"""
CONSUMED = PICKED + """
SELECT CASE WHEN leg = 0 THEN 'draft' ELSE 'later' END, model, price_version,
       (SELECT count(DISTINCT reservation_id) FROM picked WHERE kind IN ('settled', 'estimated', 'assumed')),
       count(*) FILTER (WHERE kind IN ('settled', 'estimated', 'assumed')),
       coalesce(sum(input_tokens) FILTER (WHERE kind <> 'overrun'), 0)::bigint,
       coalesce(sum(cached_input_tokens) FILTER (WHERE kind <> 'overrun'), 0)::bigint,
       coalesce(sum(cache_write_tokens) FILTER (WHERE kind <> 'overrun'), 0)::bigint,
       coalesce(sum(output_tokens) FILTER (WHERE kind <> 'overrun'), 0)::bigint,
       coalesce(sum(reasoning_tokens) FILTER (WHERE kind <> 'overrun'), 0)::bigint, sum(amount_nusd)::bigint
  FROM picked GROUP BY 1, 2, 3
"""  # noqa: S608 - the columns are ours
BY_VALUE = PICKED + """
SELECT coalesce({column}::text, ''), sum(amount_nusd)::bigint FROM picked GROUP BY 1
"""


class Explanation(Struct, frozen=True, kw_only=True):
    """What the excess of an anomaly is made of, in nano-USD. The drivers add up to it, and so does each dimension's contributions."""

    drivers: Mapping[Driver, int]
    contributors: Sequence[Contributions]


class _Windows(NamedTuple):
    starts: list[datetime]
    ends: list[datetime]


def explain(anomaly: Anomaly, *, now: datetime) -> Explanation:
    """Return why the series of the scope's tenant cost what it cost in the anomaly's time.

    The baseline is the same time in the four weeks before, scaled to what was expected; so the parts add up to the excess.
    """
    start, end = anomaly.started_at, min(anomaly.ended_at, now)
    during = _Windows([start], [end])
    weeks = [timedelta(weeks=week) for week in range(1, WEEKS_BEFORE + 1)]
    before = _Windows([start - week for week in weeks], [end - week for week in weeks])
    series, expected = anomaly.series, anomaly.figures.expected_nusd
    actual = _consumed(series, during)
    expected += actual.cost_nusd - anomaly.figures.actual_nusd  # of what was booked since the anomaly was judged
    return Explanation(
        drivers=drivers_of(actual=actual, baseline=_consumed(series, before), expected_nusd=expected),
        contributors=[
            contributions_of(
                dimension=dimension, actual=_by_value(series, during, dimension), baseline=_by_value(series, before, dimension),
                expected_nusd=expected,
            )
            for dimension in EXPLAINED_BY
            if dimension != series.dimension
        ],
    )


def _consumed(series: Series, windows: _Windows) -> Consumption:
    rows = _picked(CONSUMED, series, windows)
    prices = _prices({version for _, _, version, *_ in rows})
    return Consumption(
        runs=rows[0][3] if rows else 0,
        used=tuple(
            Used(
                role=role, model=model, calls=calls, cost_nusd=cost, price=prices.get(version),
                usage=Usage(
                    input_tokens=asked, cached_input_tokens=cached, cache_write_tokens=written, output_tokens=said, reasoning_tokens=thought
                ),
            )
            for role, model, version, _, calls, asked, cached, written, said, thought, cost in rows
        ),
    )


def _prices(versions: set[str]) -> dict[str, Price]:
    ids = {UUID(version) for version in versions if _is_id(version)}
    rows: list[ModelPrice | PlatformPrice] = [*ModelPrice.objects.filter(pk__in=ids), *PlatformPrice.objects.filter(pk__in=ids)]
    return {str(row.pk): price_of(row) for row in rows}


def _is_id(version: str) -> bool:
    try:
        UUID(version)
    except ValueError:
        return False
    return True


def _by_value(series: Series, windows: _Windows, dimension: str) -> dict[str, int]:
    return dict(_picked(BY_VALUE.replace("{column}", COLUMNS[dimension]), series, windows))


def _picked(query: str, series: Series, windows: _Windows) -> list[tuple]:  # type: ignore[type-arg]
    """The columns are ours; the value is a parameter."""
    column = COLUMNS.get(series.dimension)
    condition = f"AND coalesce(e.{column}::text, '') = %s" if column else ""
    with connection.cursor() as cursor:
        cursor.execute(
            query.replace("{condition}", condition),
            [list(windows.starts), list(windows.ends), current_tenant_id(), *([series.value] if column else [])],
        )
        return list(cursor.fetchall())
