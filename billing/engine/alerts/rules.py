"""Which alerts go to a channel, and when: at once, gathered by the hour or the day, or when the quiet hours are over."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from billing.engine.alerts.events import Severity

UTC = ZoneInfo("UTC")
FIRST_HOUR = 8
WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600))
"""After each failure, as Standard Webhooks recommends: eight tries in 27.6 hours."""
JITTER = 0.2
LONGEST_ASKED = timedelta(hours=1)


class ChannelKind(StrEnum):
    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    TEAMS = "teams"
    PAGERDUTY = "pagerduty"


class Pace(StrEnum):
    AT_ONCE = "at_once"
    HOURLY = "hourly"
    DAILY = "daily"


class RuleTerms(Struct, frozen=True, kw_only=True):
    """What one rule says. Empty sets leave nothing out; scopes are asked of alerts about budgets, amounts of those about money."""

    kinds: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    min_severity: Severity = Severity.INFO
    max_severity: Severity = Severity.CRITICAL
    min_amount_nusd: int = 0
    pace: Pace = Pace.AT_ONCE
    digest_hour: int = FIRST_HOUR
    quiet_from: time | None = None
    quiet_until: time | None = None
    critical_passes: bool = True
    tells_end: bool = False

    def wants(self, *, kind: str, severity: Severity, scope: str | None = None, amount_nusd: int | None = None) -> bool:
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.scopes or scope is None or scope in self.scopes)
            and self.min_severity.rank <= severity.rank <= self.max_severity.rank
            and (amount_nusd is None or amount_nusd >= self.min_amount_nusd)
        )


PEOPLE = (RuleTerms(min_severity=Severity.WARNING), RuleTerms(max_severity=Severity.INFO, pace=Pace.DAILY))
DEFAULTS: Mapping[str, Sequence[RuleTerms]] = {
    ChannelKind.EMAIL: PEOPLE, ChannelKind.SLACK: PEOPLE, ChannelKind.TEAMS: PEOPLE,
    ChannelKind.WEBHOOK: (RuleTerms(tells_end=True),),
    ChannelKind.PAGERDUTY: (RuleTerms(min_severity=Severity.CRITICAL, tells_end=True),),
}  # fmt: skip
"""What holds for a channel that no rule is about: people are told what is wrong at once and the rest once a day, machines everything."""


class Due(NamedTuple):
    """When a message leaves, and whether it waits for others to go along."""

    at: datetime
    gathers: bool


def due_of(terms: RuleTerms, *, severity: Severity, now: datetime, zone: str) -> Due:
    """Return when a message under these terms leaves (UTC).

    Worked example: quiet from 22:00 to 07:00 in Berlin, a warning at 23:30 local time leaves at 07:00; a critical one at once, if it may pass.
    """
    local = ZoneInfo(zone)
    at = _paced(terms, now, local)
    quiet_end = None if terms.critical_passes and severity is Severity.CRITICAL and terms.pace is Pace.AT_ONCE else _quiet_end(terms, at, local)
    return Due(quiet_end or at, gathers=quiet_end is not None or terms.pace is not Pace.AT_ONCE)


def _paced(terms: RuleTerms, now: datetime, local: ZoneInfo) -> datetime:
    if terms.pace is Pace.AT_ONCE:
        return now
    here = now.astimezone(local)
    if terms.pace is Pace.HOURLY:
        past = timedelta(minutes=here.minute, seconds=here.second, microseconds=here.microsecond)
        return (now + timedelta(hours=1) - past).astimezone(UTC)
    today = _instant(here.date(), time(terms.digest_hour), local)
    return today if today > now else _instant(here.date() + timedelta(days=1), time(terms.digest_hour), local)


def _quiet_end(terms: RuleTerms, at: datetime, local: ZoneInfo) -> datetime | None:
    """Return when the quiet hours end that `at` falls into, or None. A night belongs to the date on which it begins."""
    if terms.quiet_from is None or terms.quiet_until is None:
        return None
    over_midnight = terms.quiet_until <= terms.quiet_from
    today = at.astimezone(local).date()
    for day in (today - timedelta(days=1), today):
        start = _instant(day, terms.quiet_from, local)
        end = _instant(day + timedelta(days=over_midnight), terms.quiet_until, local)
        if start <= at < end:
            return end
    return None


def _instant(day: date, clock: time, local: ZoneInfo) -> datetime:
    """A time that happens twice is its first; one that is skipped is as late as the clock that was not put forward would have it."""
    return datetime.combine(day, clock, tzinfo=local).astimezone(UTC)


def next_try_at(*, attempts: int, now: datetime, chance: float, asked: timedelta | None = None) -> datetime | None:
    """Return when a message is tried again that failed `attempts` times, or None when it is given up.

    `chance` from 0 to 1 spreads the tries; `asked` is what the receiver wants to be waited for (Retry-After), believed up to an hour.
    Worked example: the second failure, with a chance of 0.5, is followed by a wait of 330 s.
    """
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1] * (1 + JITTER * chance)
    return now + max(wait, min(asked, LONGEST_ASKED) if asked else wait)
