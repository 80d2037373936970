"""What many series spent, bucket by bucket: the input of the anomaly detector, made from rows of sums."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct

from billing.engine.anomalies.anomaly import Series
from billing.engine.anomalies.robust import Bools, Floats, Whole
from billing.engine.anomalies.seasons import DAY


class Spent(Struct, frozen=True):
    """What a series spent in a bucket, or in a part of it: `at` is any instant of the bucket.

    For days the rollups have it (DayRollup). For the fast lane one query of the book gives the newest buckets of all series of a tenant; 35
    days of them are better read from sums that were kept.

        SELECT each.dimension, each.value, date_bin('15 minutes', occurred_at, 'epoch') AS at, sum(amount_nusd) AS amount_nusd
        FROM billing_costentry, LATERAL (
            VALUES ('all', ''), ('model', model), ('domain', domain), ('api_key', api_key_id::text), ('end_user', end_user_id::text)
        ) each (dimension, value)
        WHERE occurred_at >= %(start)s AND occurred_at < %(end)s AND booked_at >= %(start)s AND each.value IS NOT NULL
        GROUP BY 1, 2, 3
    """

    series: Series
    at: datetime
    amount_nusd: int


class SpendHistory(Struct, frozen=True, kw_only=True):
    """What `series` spent in consecutive buckets, the newest of which begins at `last_at`."""

    series: tuple[Series, ...]
    spend_nusd: Whole
    """(series, buckets), oldest first; 0 where nothing was booked."""
    known: Bools
    """(series, buckets): does the number say anything? Not before the series began, nor in an anomaly that is no measure for others."""
    instants: tuple[datetime, ...]
    """When each bucket begins; of days the noon in `zone`."""
    zone: str

    @property
    def amounts(self) -> Floats:
        """(series, buckets): the spend, NaN where it says nothing."""
        return np.where(self.known, self.spend_nusd, np.nan)

    def without_newest(self) -> "SpendHistory":
        return SpendHistory(
            series=self.series, spend_nusd=self.spend_nusd[:, :-1], known=self.known[:, :-1], instants=self.instants[:-1], zone=self.zone
        )


def spend_history(
    rows: Iterable[Spent], *, bucket: timedelta, buckets: int, last_at: datetime, zone: str, known_since: datetime,
    began: Mapping[Series, datetime] | None = None, left_out: Iterable[tuple[Series, datetime]] = (), of: Iterable[Series] = (),
) -> SpendHistory:
    """Return what was spent in `buckets` buckets, up to the one that begins at `last_at` (for days: the day in `zone` that it is in).

    Rows of one bucket add up, rows of other times are passed over. `of` are series that are wanted though they may have no row.
    `known_since` is when the tenant's book began, `began` when single series did that came later (a new key, a new end user): of earlier
    buckets nothing is known, of later ones no row means 0. `left_out` are buckets of anomalies that somebody has explained: they are no
    measure for others.
    """
    place_of = _placing(bucket=bucket, buckets=buckets, last_at=last_at, zone=zone)
    number = {each: at for at, each in enumerate(dict.fromkeys(of))}
    cells, amounts = [], []
    for row in rows:
        if 0 <= (place := place_of(row.at)) < buckets:
            cells.append(number.setdefault(row.series, len(number)) * buckets + place)
            amounts.append(row.amount_nusd)
    series = tuple(number)
    sums = np.zeros(len(series) * buckets, np.int64)
    np.add.at(sums, np.array(cells, np.int64), np.array(amounts, np.int64))
    begins = [place_of(max(known_since, (began or {}).get(each, known_since))) for each in series]
    known = np.arange(buckets) >= np.array(begins, np.int64)[:, None]
    for each, at in left_out:
        if each in number and 0 <= (place := place_of(at)) < buckets:
            known[number[each], place] = False
    instants = _instants(bucket=bucket, buckets=buckets, last_at=last_at, zone=zone)
    return SpendHistory(series=series, spend_nusd=sums.reshape(len(series), buckets), known=known, instants=instants, zone=zone)


def _placing(*, bucket: timedelta, buckets: int, last_at: datetime, zone: str) -> Callable[[datetime], int]:
    if bucket < DAY:
        return lambda at: (at - last_at) // bucket + buckets - 1
    clock = ZoneInfo(zone)
    last = last_at.astimezone(clock).toordinal()
    return lambda at: at.astimezone(clock).toordinal() - last + buckets - 1


def _instants(*, bucket: timedelta, buckets: int, last_at: datetime, zone: str) -> tuple[datetime, ...]:
    if bucket < DAY:
        return tuple(last_at - bucket * back for back in reversed(range(buckets)))
    last = last_at.astimezone(ZoneInfo(zone)).date()  # days have 23 and 25 hours, and each has a noon
    return tuple(datetime.combine(last - DAY * back, time(12), ZoneInfo(zone)) for back in reversed(range(buckets)))
