"""Days and months of a tenant as instants, and what a month's statement says."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct


class Stretch(Struct, frozen=True, kw_only=True):
    """Some days of a zone: from the first to the last, both included; as instants the half-open interval `[start_at, end_at)`."""

    first: date
    last: date
    zone: str
    start_at: datetime
    end_at: datetime

    @property
    def is_a_month(self) -> bool:
        return self.first.day == 1 and self.last + timedelta(days=1) == next_month(self.first)


class MonthStatement(Struct, frozen=True, kw_only=True):
    """A month of a tenant in nano-USD: `closing` is `opening + usage + adjustments`.

    Worked number: 5,000 booked before, calls of 1,200 and corrections of -200 close at 6,000, and the next month opens with 6,000.
    """

    opening_nusd: int
    """All that was booked before the month."""
    usage_nusd: int
    """What the calls of the month came to when they ended, overruns that were told with the answer included."""
    adjustments_nusd: int
    """What was corrected in the month, of its own calls and of earlier ones."""
    entries: int

    @property
    def closing_nusd(self) -> int:
        return self.opening_nusd + self.usage_nusd + self.adjustments_nusd


def start_of_day(day: date, *, zone: str) -> datetime:
    """Return the first instant of a date in a zone, in UTC: as budgets' windows have it, also where midnight is skipped or happens twice.

    Worked example: 2026-10-01 in Europe/Berlin begins at 2026-09-30 22:00 UTC.
    """
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def next_month(day: date) -> date:
    """Return the first day of the month after the one of `day`. Example: 2026-12-31 is followed by 2027-01-01."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def stretch(first: date, last: date, *, zone: str) -> Stretch:
    """Return the days as instants. Raises ValueError where the last is before the first."""
    if last < first:
        raise ValueError(f"{last} is before {first}: name the earlier day first")
    return Stretch(
        first=first, last=last, zone=zone, start_at=start_of_day(first, zone=zone), end_at=start_of_day(last + timedelta(days=1), zone=zone)
    )


def month_stretch(day: date, *, zone: str) -> Stretch:
    """Return the month that `day` is in."""
    return stretch(day.replace(day=1), next_month(day) - timedelta(days=1), zone=zone)
