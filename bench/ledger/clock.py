"""Day, week and month ends, and both changes of the clock, against a count of minutes that knows nothing of our code."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg

from bench.ledger.lines import Line, Say, zero
from bench.site import site
from billing.engine.budgets import Period, window_bounds

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia")
FIRST, LAST = date(2009, 1, 1), date(2028, 12, 31)
MINUTE = timedelta(minutes=1)


def run(*, quick: bool, say: Say) -> list[Line]:
    last = date(2012, 12, 31) if quick else LAST
    wrong, looked = [], 0
    with site() as made, psycopg.connect(made.dsn, autocommit=True) as connection:
        for zone in ZONES:
            starts = first_instants(zone, FIRST - timedelta(days=40), last + timedelta(days=40))
            dates = sorted(starts)
            instants = list(edges(zone, starts, last))
            for period in (Period.DAILY, Period.WEEKLY, Period.MONTHLY):
                rows = connection.execute(
                    "SELECT b.start_at, b.end_at FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS i(at, ord)"
                    " CROSS JOIN LATERAL billing_window_bounds(%s, %s, i.at) b ORDER BY i.ord", [instants, period.value, zone],
                ).fetchall()  # fmt: skip
                for at, (start, end) in zip(instants, rows, strict=True):
                    expected = counted(period, dates, starts, at)
                    looked += 2
                    for whose, found in (("SQL", (start, end)), ("Python", window_bounds(period=period, zone=zone, instant=at))):
                        if found != expected:
                            wrong.append(f"{whose} {zone} {period} {at}: {found} is not {expected}")
            say(f"clock: {zone}: {len(instants):,} instants, {len(wrong)} wrong so far")
    for line in wrong[:5]:
        say(line)
    what = f"windows at ends and clock changes in {len(ZONES)} zones, {FIRST.year} to {last.year}"
    return [zero("clock: wrong windows", len(wrong), of=looked, what=what, by_chance=False)]


def first_instants(zone: str, first: date, last: date) -> dict[date, datetime]:
    """The first minute of each local date, found by counting minutes around each midnight. A date that never was is not there."""
    local, found = ZoneInfo(zone), {}
    day = first
    while day <= last:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=27)
        stop = at + timedelta(hours=54)
        while at < stop:
            if at.astimezone(local).date() == day:
                while (at - MINUTE).astimezone(local).date() == day:
                    at -= MINUTE
                found[day] = at
                break
            at += timedelta(minutes=15)
        day += timedelta(days=1)
    return found


def edges(zone: str, starts: dict[date, datetime], last: date) -> Iterator[datetime]:
    """Instants around the beginning of each month, of each Monday of the winter weeks, and of each day on which the clocks change."""
    local = ZoneInfo(zone)
    for day, start in starts.items():
        if not FIRST <= day <= last:
            continue
        changes = len({(start + timedelta(hours=hour)).astimezone(local).utcoffset() for hour in range(-30, 31)}) > 1
        if day.day == 1 or changes or (day.weekday() == 0 and day.month in (1, 12)):
            for offset in (-86_400, -3_600, -60, -1, 0, 1, 60, 3_600, 7_200, 43_200):
                yield start + timedelta(seconds=offset)


def counted(period: Period, dates: Sequence[date], starts: dict[date, datetime], at: datetime) -> tuple[datetime, datetime]:
    """The window by counting: the latest date that has begun, back to the first date of its week or month that was, on to the first after it."""
    low, high = 0, len(dates) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if starts[dates[middle]] <= at else (low, middle - 1)
    day = dates[low]
    if period is Period.DAILY:
        return starts[day], starts[dates[low + 1]]

    def belongs(other: date) -> bool:
        if period is Period.WEEKLY:
            return other.isocalendar()[:2] == day.isocalendar()[:2]
        return (other.year, other.month) == (day.year, day.month)

    begin = next(number for number in range(low, -1, -1) if number == 0 or not belongs(dates[number - 1]))
    end = next(number for number in range(low, len(dates)) if not belongs(dates[number]))
    return starts[dates[begin]], starts[dates[end]]
