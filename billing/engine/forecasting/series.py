"""What was spent, step by step, and the calendar that says which steps are alike: the same weekday, the same hour of the day."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from msgspec import Struct

DAYS_A_WEEK, HOURS_A_DAY = 7, 24


class Step(StrEnum):
    """The length of one step of a series."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def length(self) -> timedelta:
        return {Step.HOUR: timedelta(hours=1), Step.DAY: timedelta(days=1), Step.WEEK: timedelta(weeks=1)}[self]

    @property
    def season(self) -> int:
        """How many kinds of step there are: hours of a day, days of a week; weeks are all of one kind."""
        return {Step.HOUR: HOURS_A_DAY, Step.DAY: DAYS_A_WEEK, Step.WEEK: 1}[self]

    @property
    def cycle(self) -> int:
        """The longer season, in steps: a week of hours, and for days and weeks a year of whole weeks, so that weekdays meet weekdays."""
        return {Step.HOUR: DAYS_A_WEEK * HOURS_A_DAY, Step.DAY: 52 * DAYS_A_WEEK, Step.WEEK: 52}[self]

    def of_days(self, days: int) -> int:
        """Return the number of steps that so many days are, rounded up."""
        return -(-days * timedelta(days=1) // self.length)


class Calendar(Struct, frozen=True, kw_only=True):
    """When the steps of a series begin, and which of them are alike.

    `start` is the first step: a date for days and weeks (the tenant's own local days, so a change of the clocks is no matter of theirs), an
    aware datetime for hours, which follow one another in UTC and are alike by the hour on the clock in `zone`.
    """

    step: Step
    start: date
    zone: str = "UTC"

    def __post_init__(self) -> None:
        is_instant = isinstance(self.start, datetime)
        if is_instant != (self.step is Step.HOUR) or (isinstance(self.start, datetime) and self.start.tzinfo is None):
            raise ValueError(f"a series of {self.step}s starts at {'an aware datetime' if self.step is Step.HOUR else 'a date'}, not {self.start!r}")

    def begins(self, index: int) -> date:
        """Return when step `index` begins: a date, or for hours a datetime in UTC."""
        if isinstance(self.start, datetime):
            return self.start.astimezone(UTC) + index * self.step.length
        return self.start + index * self.step.length

    def starting_with(self, index: int) -> "Calendar":
        """Return the calendar whose first step is step `index` of this one."""
        return Calendar(step=self.step, start=self.begins(index), zone=self.zone)

    def positions(self, count: int) -> list[int]:
        """Return the kind, from 0 to season - 1, of each of the first `count` steps.

        Worked example: hours of Europe/Berlin from 2026-10-25 00:00 UTC, the day of 25 hours, are of the kinds 2, 2, 3, 4, ...
        """
        if isinstance(self.start, datetime):
            local, first = ZoneInfo(self.zone), self.start.astimezone(UTC)
            return [(first + index * self.step.length).astimezone(local).hour for index in range(count)]
        if self.step is Step.DAY:
            return [(self.start.weekday() + index) % DAYS_A_WEEK for index in range(count)]
        return [0] * count

    def cycle_before(self, index: int) -> int:
        """Return the step that is a whole cycle before `index`; for hours the one at the same time on the clock a week before."""
        if not isinstance(self.start, datetime):
            return index - self.step.cycle
        first = self.start.astimezone(UTC)
        wall = (first + index * self.step.length).astimezone(ZoneInfo(self.zone)) - timedelta(weeks=1)
        return (wall.astimezone(UTC) - first) // self.step.length


class CostSeries(Struct, frozen=True, kw_only=True):
    """What was spent in each step from the calendar's start on, in nano-USD; None where it is not known, which is not the same as nothing."""

    calendar: Calendar
    amounts_nusd: Sequence[int | None]


def daily_series(spent: Mapping[date, int], *, first_on: date, last_on: date, unknown: Collection[date] = ()) -> CostSeries:
    """Return the series of the days from `first_on` to `last_on`: a day that `spent` lacks is 0, one that is `unknown` None. Nano-USD."""
    days = [first_on + timedelta(days=number) for number in range((last_on - first_on).days + 1)]
    return CostSeries(
        calendar=Calendar(step=Step.DAY, start=first_on), amounts_nusd=[None if day in unknown else spent.get(day, 0) for day in days]
    )


def hourly_series(spent: Mapping[datetime, int], *, first_at: datetime, last_at: datetime, zone: str) -> CostSeries:
    """Return the series of the hours from the one that begins at `first_at` to the one that begins at `last_at` (aware); those that `spent`
    lacks are 0. Nano-USD."""
    count = (last_at - first_at) // Step.HOUR.length + 1
    hours = [first_at + number * Step.HOUR.length for number in range(count)]
    return CostSeries(calendar=Calendar(step=Step.HOUR, start=first_at, zone=zone), amounts_nusd=[spent.get(hour, 0) for hour in hours])
