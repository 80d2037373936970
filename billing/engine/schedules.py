"""When a report that comes again and again is due, and which days it is about."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

SATURDAY = 5


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Due(NamedTuple):
    """One time that a report is due, and the days that it is about, both included."""

    at: datetime
    first: date
    last: date


def next_due(*, every: Every, working_day: int, hour: int, zone: str, after: datetime) -> Due:
    """Return the first time after `after` (aware) at which a report is due, in UTC.

    Each is about what is over: the day, the week (from Monday) or the month before. Days are those of the zone. A week's report comes on
    the n-th working day of the week, a month's on that of the month, from Monday to Friday, holidays unknown; a day's every day.
    Worked number: monthly, second working day, 6 o'clock in Berlin, after 20 October 2026: on Tuesday 3 November at 05:00 UTC, about October.
    """
    local = ZoneInfo(zone)
    day = after.astimezone(local).date()
    begun = _begin(every, day)
    while True:
        at = datetime.combine(_on(every, begun, working_day), time(hour), tzinfo=local).astimezone(UTC)
        if at > after:
            return Due(at, *newest_over(every=every, today=begun))
        begun = _next(every, begun)


def newest_over(*, every: Every, today: date) -> tuple[date, date]:
    """Return the first and the last day of the newest period that is over on `today`. Example: monthly, on 20 October: September's."""
    begun = _begin(every, today)
    return _begin(every, begun - timedelta(days=1)), begun - timedelta(days=1)


def _begin(every: Every, day: date) -> date:
    if every is Every.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if every is Every.WEEK else day


def _next(every: Every, begun: date) -> date:
    if every is Every.MONTH:
        return (begun + timedelta(days=31)).replace(day=1)
    return begun + timedelta(days=7 if every is Every.WEEK else 1)


def _on(every: Every, begun: date, working_day: int) -> date:
    """The n-th day from Monday to Friday of what has begun."""
    if every is Every.DAY:
        return begun
    day, left = begun, working_day
    while True:
        left -= day.weekday() < SATURDAY
        if not left:
            return day
        day += timedelta(days=1)
