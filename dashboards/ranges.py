"""Ranges of days in the address of a page, and what each is compared with. Days are the tenant's own."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

DEFAULT, DEFAULT_COMPARISON = "28d", "weekday"
LENGTHS: Mapping[str, int] = {"7d": 7, "28d": 28, "90d": 90, "12m": 365}
PRESETS: Mapping[str, str] = {
    "24h": "24 h", "7d": "7 d", "28d": "28 d", "mtd": "Month to date", "last-month": "Last month", "90d": "90 d", "12m": "12 months",
}  # fmt: skip
COMPARISONS: Mapping[str, str] = {
    "off": "No comparison", "previous": "vs the period before", "weekday": "vs the same weekdays before", "month": "vs the month before",
    "year": "vs last year", "custom": "vs days of your choice",
}  # fmt: skip
LONGEST, FURTHEST_BACK, EARLIEST = 3 * 366, 120, date(2000, 1, 1)
QUARTER, DAY, HOUR = timedelta(minutes=15), timedelta(days=1), timedelta(hours=1)


class Range(Struct, frozen=True, kw_only=True):
    """The days from `first` to `last`, both included; of the last 24 hours also the instants. `before` is what they are compared with.

    `against` is the first day of what a person chose to compare with.
    """

    key: str
    comparison: str
    back: int
    first: date
    last: date
    before: tuple[date, date] | None
    zone: str
    today: date
    start_at: datetime | None = None
    end_at: datetime | None = None
    against: date | None = None

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def is_hours(self) -> bool:
        return self.start_at is not None

    @property
    def is_partial(self) -> bool:
        """Is the last day not over yet?"""
        return self.last >= self.today

    @property
    def instants(self) -> tuple[datetime, datetime]:
        """Its first moment, and the first after it."""
        if self.start_at and self.end_at:
            return self.start_at, self.end_at
        local = ZoneInfo(self.zone)
        return datetime.combine(self.first, time(), tzinfo=local), datetime.combine(self.last + DAY, time(), tzinfo=local)

    @property
    def label(self) -> str:
        """Worked example: "30 Oct to 26 Nov 2026, Europe/Berlin"."""
        if self.start_at and self.end_at:
            local = ZoneInfo(self.zone)
            return f"{_short(self.start_at.astimezone(local))} to {_short(self.end_at.astimezone(local))}, {self.zone}"
        years = self.first.year != self.last.year
        first = f"{self.first.day} {self.first:%b}{f' {self.first.year}' if years else ''}"
        return f"{first} to {self.last.day} {self.last:%b} {self.last.year}, {self.zone}" if self.days > 1 else f"{_day(self.last)}, {self.zone}"

    @property
    def days_label(self) -> str:
        """The whole days, where a table is by the day though the chart is by the hour."""
        return self.name if not self.is_hours else f"{self.first:%-d %b} and {self.last:%-d %b}"

    @property
    def name(self) -> str:
        """How the range is called in a card's heading."""
        return PRESETS.get(self.key, f"{self.days} days").replace(" d", " days").replace(" h", " hours") if not self.back else f"{self.days} days"

    @property
    def before_label(self) -> str:
        if self.before is None:
            return ""
        return f"{_day(self.before[0])} to {_day(self.before[1])}" if self.before[0] != self.before[1] else _day(self.before[0])

    @property
    def before_hours(self) -> tuple[datetime, datetime] | None:
        """The instants that the last 24 hours are compared with: a day before, or the same weekday a week before."""
        if not (self.start_at and self.end_at) or self.comparison in ("off", "month", "year", "custom"):
            return None
        shift = DAY if self.comparison == "previous" else 7 * DAY
        return self.start_at - shift, self.end_at - shift

    def query(self, **changes: str | int) -> str:
        """Return the range as the query of an address, with some of it changed. It says all, so that it means the same to everybody."""
        said: dict[str, str | int] = {"range": self.key, "compare": self.comparison}
        if self.key == "custom":
            said |= {"from": self.first.isoformat(), "to": self.last.isoformat()}
        if self.against:
            said["against"] = self.against.isoformat()
        said |= {"back": self.back, **changes}
        return urlencode({name: value for name, value in said.items() if (name, value) != ("back", 0)})

    @property
    def earlier(self) -> str:
        return self._stepped(self.back + 1, -1)

    @property
    def later(self) -> str | None:
        """The query of the next period; None where that is yet to come."""
        if self.key == "custom":
            return None if self.is_partial else self._stepped(0, 1)
        return self._stepped(self.back - 1, 1) if self.back else None

    def _stepped(self, back: int, way: int) -> str:
        if self.key != "custom":
            return self.query(back=min(back, FURTHEST_BACK))
        shift = timedelta(days=way * self.days)
        return self.query(**{"from": (self.first + shift).isoformat(), "to": min(self.last + shift, self.today).isoformat()})


def range_of(asked: Mapping[str, str], *, zone: str, now: datetime) -> Range:
    """Return the range that an address asks for; whatever is missing or makes no sense counts as the default. Never raises.

    `back` counts periods backwards; `against` is the first day of a comparison of one's own. Worked
    example: range=28d on 26 November is 30 October to 26 November, with back=1 2 to 29 October.
    """
    key = asked.get("range", DEFAULT)
    comparison = asked.get("compare", DEFAULT_COMPARISON)
    today = now.astimezone(ZoneInfo(zone)).date()
    against = _day_of(asked.get("against", ""), today) if comparison == "custom" else None
    comparison = comparison if comparison in COMPARISONS and (against or comparison != "custom") else DEFAULT_COMPARISON
    back = _back(asked.get("back", ""))
    if key == "24h":
        end_at = datetime.fromtimestamp(-(-now.timestamp() // QUARTER.total_seconds()) * QUARTER.total_seconds(), tz=now.tzinfo) - back * DAY
        start_at = end_at - DAY
        first, last = start_at.astimezone(ZoneInfo(zone)).date(), (end_at - QUARTER).astimezone(ZoneInfo(zone)).date()
        return Range(
            key=key, comparison=comparison, back=back, first=first, last=last, before=_before(comparison, first, last, "7d", against), zone=zone,
            today=today, start_at=start_at, end_at=end_at, against=against,
        )
    custom = _custom(asked, today) if key == "custom" else None
    key = key if key in PRESETS or custom else DEFAULT
    first, last = custom or _days(key, back, today)
    return Range(
        key=key, comparison=comparison, back=0 if custom else back, first=first, last=last,
        before=_before(comparison, first, last, key, against), zone=zone, today=today, against=against,
    )


def presets_of(chosen: Range) -> Sequence[tuple[str, str, str]]:
    """Return each preset as key, label and query."""
    return [(key, label, msgspec.structs.replace(chosen, key=key, back=0).query()) for key, label in PRESETS.items()]


def _days(key: str, back: int, today: date) -> tuple[date, date]:
    if key in LENGTHS:
        last = today - timedelta(days=back * LENGTHS[key])
        return last - timedelta(days=LENGTHS[key] - 1), last
    first = _months_before(today.replace(day=1), back + (key == "last-month"))
    whole = key == "last-month" or back
    return first, first.replace(day=monthrange(first.year, first.month)[1]) if whole else today


def _custom(asked: Mapping[str, str], today: date) -> tuple[date, date] | None:
    first, last = _day_of(asked.get("from", ""), today), _day_of(asked.get("to", ""), date.max)
    if not (first and last):
        return None
    last = min(last, today)
    return (first, last) if first <= last and (last - first).days < LONGEST else None


def _day_of(text: str, latest: date) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= latest else None


def _before(comparison: str, first: date, last: date, key: str, against: date | None) -> tuple[date, date] | None:
    days = (last - first).days + 1
    if comparison == "off":
        return None
    if against:
        return against, against + timedelta(days=days - 1)
    if comparison == "year":
        return _year_before(first), _year_before(last)
    if comparison in ("previous", "month") and key in ("mtd", "last-month"):
        start = _months_before(first, 1)
        return start, min(start + timedelta(days=days - 1), first - DAY) if key == "mtd" else first - DAY
    if comparison == "month":
        start = _month_before(first)
        is_whole_month = first.day == 1 and last == first.replace(day=monthrange(first.year, first.month)[1])
        end = first - DAY if is_whole_month else start + timedelta(days=days - 1)
        return (start, end) if end < first else None  # a range that is longer than the month before it is not compared with it
    shift = timedelta(days=days if comparison == "previous" else -(-days // 7) * 7)
    return first - shift, last - shift


def _months_before(first: date, count: int) -> date:
    months = first.year * 12 + first.month - 1 - count
    return date(months // 12, months % 12 + 1, 1)


def _month_before(day: date) -> date:
    """Worked example: 31 March is compared with 28 February."""
    first = _months_before(day.replace(day=1), 1)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year - 1)


def _back(text: str) -> int:
    return min(int(text), FURTHEST_BACK) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def _day(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"


def _short(at: datetime) -> str:
    return f"{at.day} {at:%b %H:%M}"
