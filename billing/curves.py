"""The curve of an anomaly: what was spent around it, bucket by bucket, and between which bounds nothing would have been out of the ordinary."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection
from msgspec import Struct

from billing.engine.anomalies.anomaly import AnomalyKind, Series
from billing.engine.anomalies.detector import AnomalyDetector
from billing.engine.anomalies.history import SpendHistory
from billing.engine.anomalies.lanes import DAILY, FAST, Lane
from billing.engine.anomalies.robust import Floats
from billing.models import Anomaly
from billing.quarters import KEPT, QUARTER, quarter_of
from billing.series import bucketed_spend, daily_spend, day_of_first_spend
from tenants.scoping import current_tenant_id

BEFORE, AFTER = 48, 16
"""Buckets of a quarter of an hour that are shown before an anomaly and after it: half a day, and four hours."""
SPARK_BEFORE, SPARK_AFTER, MOST_SPARK_POINTS = 12, 4, 128
DAYS_BEFORE, DAYS_AFTER = 28, 7
MOST_POINTS = 4 * 96


class Curve(Struct, frozen=True, kw_only=True):
    """Nano-USD, one a point: the beginning of a quarter of an hour in the tenant's zone, or a day. None where nothing can be said."""

    points: Sequence[date | datetime]
    actual_nusd: Sequence[int]
    expected_nusd: Sequence[int | None]
    low_nusd: Sequence[int | None]
    high_nusd: Sequence[int | None]
    first: int
    """Number of the first point of the anomaly itself ..."""
    last: int
    """... and of its last one."""


def curve_of(anomaly: Anomaly, *, zone: str, now: datetime) -> Curve | None:
    """Return the curve around an anomaly: days for the slow lane, quarters of an hour for all others.

    None where its sums are not kept any more, and for a collapse of quality, which is no matter of spend alone. The bounds are those of the
    detector, which learns from what lies before the anomaly alone; what is young has none. Worked number: an anomaly of one quarter has 48
    points before it and, four hours later, 16 after it.
    """
    if anomaly.kind == AnomalyKind.QUALITY_COLLAPSE:
        return None
    return _by_day(anomaly, zone=zone, now=now) if anomaly.lane == DAILY.name else _by_quarter(anomaly, zone=zone, now=now)


SPARKS = """
SELECT a.number, floor(extract(epoch FROM q.start_at - a.first_at) / 900)::int, q.cost_nusd
  FROM unnest(%s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS a(number, dimension, value, first_at, until)
  JOIN billing_quarterrollup q ON q.tenant_id = %s AND q.start_at >= a.first_at AND q.start_at < a.until
   AND q.dimension = a.dimension AND q.value = a.value
"""


def sparks_of(anomalies: Sequence[Anomaly], *, now: datetime) -> Mapping[UUID, Sequence[int]]:
    """Return what was spent around each anomaly, in nano-USD a quarter of an hour, in one look: without those whose quarters are not kept.

    Worked number: an anomaly of one quarter that ended an hour ago has 12 before it, itself, and 4 after it: 17 points.
    """
    kept_since = quarter_of(now - KEPT) + QUARTER
    found: dict[UUID, list[int]] = {}
    asked = []
    for row in anomalies:
        first_at = quarter_of(row.started_at) - SPARK_BEFORE * QUARTER
        until = min(quarter_of(row.ended_at - timedelta(microseconds=1)) + (1 + SPARK_AFTER) * QUARTER, quarter_of(now) + QUARTER)
        until = min(until, first_at + MOST_SPARK_POINTS * QUARTER)
        if first_at >= kept_since and until > first_at and row.kind != AnomalyKind.QUALITY_COLLAPSE:
            asked.append((row.dimension, row.value, first_at, until))
            found[row.pk] = [0] * ((until - first_at) // QUARTER)
    if asked:
        lines = list(found.values())
        with connection.cursor() as cursor:
            cursor.execute(SPARKS, [list(range(len(asked))), *map(list, zip(*asked, strict=True)), current_tenant_id()])
            for number, point, amount in cursor.fetchall():
                lines[number][point] = amount
    return found


def _by_quarter(anomaly: Anomaly, *, zone: str, now: datetime) -> Curve | None:
    begins, kept_since = quarter_of(anomaly.started_at), quarter_of(now - KEPT) + QUARTER
    if begins < kept_since:
        return None
    ends = quarter_of(anomaly.ended_at - timedelta(microseconds=1))
    last_at = min(ends + AFTER * QUARTER, quarter_of(now), begins + (MOST_POINTS - BEFORE - 1) * QUARTER)
    count = (last_at - kept_since) // QUARTER + 1
    amounts = bucketed_spend(dimension=anomaly.dimension, first_at=kept_since, buckets=count, length=QUARTER, values=[anomaly.value]).amounts
    instants = [kept_since + number * QUARTER for number in range(count)]
    at = (begins - kept_since) // QUARTER
    spans = max(1, -((anomaly.started_at - anomaly.ended_at) // QUARTER))
    local = ZoneInfo(zone)
    points = [instant.astimezone(local) for instant in instants]
    return _curve(anomaly, amounts, instants=instants, points=points, at=at, spans=spans, before=BEFORE, lane=FAST, zone=zone)


def _by_day(anomaly: Anomaly, *, zone: str, now: datetime) -> Curve | None:
    local = ZoneInfo(zone)
    day, today = anomaly.started_at.astimezone(local).date(), now.astimezone(local).date()
    first = day - timedelta(days=DAILY.memory + DAILY.looks_back)
    last = min(today - timedelta(days=1), day + timedelta(days=DAYS_AFTER))
    if last < day:
        return None
    amounts = daily_spend(dimension=anomaly.dimension, first=first, last=last, values=[anomaly.value]).amounts
    points = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    instants = [datetime(point.year, point.month, point.day, 12, tzinfo=local) for point in points]
    spans = max(1, -((anomaly.started_at - anomaly.ended_at) // timedelta(days=1)))
    return _curve(anomaly, amounts, instants=instants, points=points, at=(day - first).days, spans=spans, before=DAYS_BEFORE, lane=DAILY, zone=zone)


def _curve(
    anomaly: Anomaly, amounts: Floats, *, instants: Sequence[datetime], points: Sequence[date | datetime], at: int, spans: int, before: int,
    lane: Lane, zone: str,
) -> Curve:  # fmt: skip
    """`amounts` is (1, buckets); `at` is the number of the anomaly's first bucket."""
    shown = len(instants) - max(0, at - before)
    history = _history(anomaly, amounts, instants=instants, zone=zone)
    bounds: Sequence[Sequence[int | None]] = [[None] * shown] * 3
    if at and shown + lane.looks_back <= len(instants):
        past = _cut(history, slice(max(0, at - lane.memory), at))
        detector = AnomalyDetector(lane=lane)
        (alone, *_) = detector.judge(_cut(history, slice(-(shown + lane.looks_back), None)), detector.learn(past), newest=shown)
        if not alone.is_young[0]:
            bounds = [_whole(each[0]) for each in (alone.expected, alone.low, alone.high)]
    first = min(at, before)
    return Curve(
        points=points[-shown:], actual_nusd=[int(amount) for amount in amounts[0, -shown:]], expected_nusd=bounds[0], low_nusd=bounds[1],
        high_nusd=bounds[2], first=first, last=min(first + spans, shown) - 1,
    )


def _history(anomaly: Anomaly, amounts: Floats, *, instants: Sequence[datetime], zone: str) -> SpendHistory:
    """Before the tenant's first day, and before the first spend of a name, nothing is known."""
    began = day_of_first_spend()
    spent = np.flatnonzero(amounts[0])
    since = int(spent[0]) if anomaly.dimension != "all" and len(spent) else 0
    known = [number >= since and began is not None and instant.date() >= began for number, instant in enumerate(instants)]
    series = (Series(anomaly.dimension, anomaly.value),)
    return SpendHistory(series=series, spend_nusd=amounts.astype(np.int64), known=np.array([known]), instants=tuple(instants), zone=zone)


def _cut(history: SpendHistory, some: slice) -> SpendHistory:
    return SpendHistory(
        series=history.series, spend_nusd=history.spend_nusd[:, some], known=history.known[:, some], instants=history.instants[some],
        zone=history.zone,
    )


def _whole(amounts: Floats) -> list[int | None]:
    return [None if np.isnan(amount) else round(amount) for amount in amounts.tolist()]
