"""Which buckets are alike: the same time of day on the same kind of day, or the same weekday."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct

from billing.engine.anomalies.robust import Floats, Medians, Whole

FEWEST_ALIKE = 3
"""Of fewer like buckets nothing is said: a median of two is a guess."""
SATURDAY, WEEKS_BEFORE = 5, 4
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Places(Struct, frozen=True, kw_only=True):
    """Where buckets are in the cycle, one number a bucket: those of one kind and slot are alike."""

    kind: Whole
    slot: Whole

    def __getitem__(self, some: slice) -> "Places":
        return Places(kind=self.kind[some], slot=self.slot[some])


class Clock(Struct, frozen=True, kw_only=True):
    """The clock by which buckets of a length are alike.

    Buckets of a day are alike by weekday: slot 0 is Monday. Shorter ones are alike by the time of day, working days (kind 0) and weekends
    (kind 1) apart.
    """

    zone: str
    bucket: timedelta

    @property
    def kinds(self) -> int:
        return 1 if self.bucket >= DAY else 2

    @property
    def slots(self) -> int:
        return 7 if self.bucket >= DAY else -(-DAY // self.bucket)

    def places(self, instants: Sequence[datetime]) -> Places:
        """Return where buckets that begin at these instants are. Worked number: a quarter of an hour from 10:30 on a Sunday is 42 of kind 1."""
        walls = [instant.astimezone(ZoneInfo(self.zone)) for instant in instants]
        days = np.array([wall.toordinal() for wall in walls], np.int64)  # 1 was a Monday
        if self.bucket >= DAY:
            return Places(kind=np.zeros_like(days), slot=(days - 1) % 7)
        minutes = np.array([60 * wall.hour + wall.minute for wall in walls], np.int64)
        return Places(kind=((days - 1) % 7 >= SATURDAY).astype(np.int64), slot=minutes // int(self.bucket / MINUTE))


def clocks(*, zone: str, bucket: timedelta, first_at: datetime, last_at: datetime) -> tuple[Clock, ...]:
    """Return the clocks that buckets from `first_at` to `last_at` may keep: the one on the wall and, where that was changed in this time, UTC.

    People come by the clock on the wall, jobs of machines often by UTC. A change within a day is seen because both ends have their offset.
    """
    wall = Clock(zone=zone, bucket=bucket)
    days = range(-(-(last_at - first_at) // DAY) + 1)
    offsets = {min(first_at + DAY * day, last_at).astimezone(ZoneInfo(zone)).utcoffset() for day in days}
    return (wall,) if len(offsets) == 1 or bucket >= DAY else (wall, Clock(zone="UTC", bucket=bucket))


class Season:
    """What like buckets of many series usually are."""

    def __init__(self, values: Floats, *, places: Places, clock: Clock) -> None:
        """`values` is (series, buckets), NaN where nothing is known; `places` has its buckets on the clock."""
        self._values, self._places, self._clock = values, places, clock
        self._own = Medians(values, groups=places.kind * clock.slots + places.slot, count=clock.kinds * clock.slots)
        self._any: Medians | None = None

    def table(self) -> Floats:
        """Return (series, kinds, slots): the median of like buckets; where too few are known, of the slot in all kinds; else NaN."""
        shape = (len(self._values), self._clock.kinds, self._clock.slots)
        own = np.where(self._own.known >= FEWEST_ALIKE, self._own.of_all(), np.nan).reshape(shape)
        if not np.isnan(own).any():
            return own
        any_kind = np.where(self._any_kind.known >= FEWEST_ALIKE, self._any_kind.of_all(), np.nan)
        return np.where(np.isnan(own), any_kind[:, None], own)

    def of_others(self) -> Floats:
        """Return (series, buckets): for each bucket what the others like it usually are. None is measured by itself."""
        own = self._own.of_others(least=FEWEST_ALIKE)
        return np.where(np.isnan(own), self._any_kind.of_others(least=FEWEST_ALIKE), own) if np.isnan(own).any() else own

    @property
    def _any_kind(self) -> Medians:
        self._any = self._any or Medians(self._values, groups=self._places.slot, count=self._clock.slots)
        return self._any


def windows_like(*, started_at: datetime, ended_at: datetime, zone: str, weeks: int = WEEKS_BEFORE) -> list[tuple[datetime, datetime]]:
    """Return the same hours of the same weekdays, by the clock on the wall, in the weeks before: what an anomaly is to be compared with.

    Worked number: 14:00 to 18:30 in Berlin on 1 April 2026 (12:00 UTC) is 13:00 UTC on 25 March, before the clock was changed.
    """
    ends = [instant.astimezone(ZoneInfo(zone)) for instant in (started_at, ended_at)]
    pairs = [[end - timedelta(days=7 * week) for end in ends] for week in range(1, weeks + 1)]
    return [(start.astimezone(UTC), end.astimezone(UTC)) for start, end in pairs]
