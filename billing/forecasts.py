"""The night's forecasts: every name that costs something, for the days to come, kept for lists and alerts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from math import isnan
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection
from django.db.models import Max
from msgspec import Struct
from numpy.typing import NDArray

from billing.engine.forecasting.block import Block, forecast_block
from billing.engine.forecasting.series import Calendar, Step
from billing.models import DayRollup, Forecast
from billing.series import active_values, blocks, daily_spend, day_of_first_spend
from tenants.rounds import active_tenants, go_round
from tenants.scoping import current_tenant_id, platform_scope

Dimension = DayRollup.Dimension
HORIZON_DAYS = 31
WEEK_DAYS, MONTH_DAYS = 7, 30
ACTIVE_DAYS = 28
"""Who cost nothing for four weeks is not forecast: the expected cost is 0."""
HISTORY_DAYS, HISTORY_DAYS_OF_END_USERS = 800, 120
"""A year ago is looked at where there are few series; end users are many, and their last four months say what they will do."""
SERIES_AT_ONCE = 5_000
DIMENSIONS = (
    Dimension.ALL, Dimension.TIER, Dimension.MODEL, Dimension.DOMAIN, Dimension.API_KEY, Dimension.TAG, Dimension.PROVIDER, Dimension.END_USER,
)  # fmt: skip

STORE = """
INSERT INTO billing_forecast (tenant_id, dimension, value, made_on, age_days, week_nusd, week_low_nusd, week_high_nusd, month_nusd, month_low_nusd,
  month_high_nusd, error, coverage, tests, path_nusd, path_low_nusd, path_high_nusd, sum_low_nusd, sum_high_nusd)
SELECT %s, %s, v.value, %s, v.age, v.week, v.week_low, v.week_high, v.month, v.month_low, v.month_high, v.error, v.coverage, v.tests,
       v.path::bigint[], v.low::bigint[], v.high::bigint[], v.sum_low::bigint[], v.sum_high::bigint[]
  FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::float8[],
              %s::float8[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS v(value, age, week, week_low, week_high, month, month_low, month_high, error, coverage, tests, path, low, high, sum_low, sum_high)
ON CONFLICT (tenant_id, dimension, value) DO UPDATE
   SET made_on = excluded.made_on, age_days = excluded.age_days, week_nusd = excluded.week_nusd, week_low_nusd = excluded.week_low_nusd,
       week_high_nusd = excluded.week_high_nusd, month_nusd = excluded.month_nusd, month_low_nusd = excluded.month_low_nusd,
       month_high_nusd = excluded.month_high_nusd, error = excluded.error, coverage = excluded.coverage, tests = excluded.tests,
       path_nusd = excluded.path_nusd, path_low_nusd = excluded.path_low_nusd, path_high_nusd = excluded.path_high_nusd,
       sum_low_nusd = excluded.sum_low_nusd, sum_high_nusd = excluded.sum_high_nusd
"""


class Past(Struct, frozen=True, kw_only=True):
    """The tenant's days that a forecast may look at: those that are over."""

    first: date
    last: date

    @property
    def calendar(self) -> Calendar:
        return Calendar(step=Step.DAY, start=self.first)


def past_of(*, dimension: str, today: date) -> Past | None:
    """Return the days to forecast a dimension from, or None where the scope's tenant has booked nothing on a day that is over."""
    began = day_of_first_spend()
    last = today - timedelta(days=1)
    kept = HISTORY_DAYS_OF_END_USERS if dimension == Dimension.END_USER else HISTORY_DAYS
    return None if began is None or began > last else Past(first=max(began, today - timedelta(days=kept)), last=last)


def forecast_tenant(*, today: date) -> int:
    """Forecast every name of the scope's tenant that cost something in the last four weeks, and keep it. Returns how many names.

    `today` is the tenant's own date, and the first day that is forecast. Memory is bounded by blocks of `SERIES_AT_ONCE` names.
    """
    made = 0
    for dimension in DIMENSIONS:
        past = past_of(dimension=dimension, today=today)
        if past is None:
            break
        values = active_values(dimension=dimension, first=today - timedelta(days=ACTIVE_DAYS), last=past.last)
        for some in blocks(values, size=SERIES_AT_ONCE):
            matrix = daily_spend(dimension=dimension, first=past.first, last=past.last, values=some)
            block = forecast_block(matrix.amounts, calendar=past.calendar, horizon=HORIZON_DAYS)
            _store(block, dimension=dimension, values=some, today=today)
        made += len(values)
    Forecast.objects.filter(made_on__lt=today).delete()
    return made


def _store(block: Block, *, dimension: str, values: Sequence[str], today: date) -> None:
    has_days = dimension != Dimension.END_USER
    with connection.cursor() as cursor:
        cursor.execute(STORE, [
            current_tenant_id(), dimension, today, list(values), block.age.tolist(),
            *(block.sums[part, :, days - 1].tolist() for days in (WEEK_DAYS, MONTH_DAYS) for part in range(3)),
            _known(block.wape), _known(block.coverage), block.tests.tolist(),
            *(_arrays(part) if has_days else [None] * len(values) for part in (*block.path, *block.sums[1:])),
        ])  # fmt: skip


def _known(shares: NDArray[np.float64]) -> list[float | None]:
    return [None if isnan(share) else share for share in shares.tolist()]


def _arrays(rows: NDArray[np.int64]) -> list[str]:
    return ["{%s}" % ",".join(map(str, row)) for row in rows.tolist()]  # noqa: UP031 - braces are PostgreSQL's here


def forecast_night(*, now: datetime) -> int:
    """Forecast for every tenant whose day has begun anew since its last forecast. Returns how many names in all.

    Asked every hour: so each tenant gets its forecast in the first hour of its own day, and one that a killed worker left out gets it then.
    """
    with platform_scope():
        newest = dict(Forecast.objects.values_list("tenant_id").annotate(newest=Max("made_on")))
    due = [(pk, zone) for pk, zone in active_tenants() if newest.get(pk) != now.astimezone(ZoneInfo(zone)).date()]
    return go_round(due, lambda zone: forecast_tenant(today=now.astimezone(ZoneInfo(zone)).date()))
