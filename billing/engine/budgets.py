"""Budgets without rows: whom they bind, what they do, and where their windows begin and end."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
"""The window of a budget over all time."""


class BudgetScope(StrEnum):
    TENANT = "tenant"
    TIER = "tier"
    END_USER = "end_user"
    API_KEY = "api_key"
    TAG = "tag"


class Period(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TOTAL = "total"


class Action(StrEnum):
    WARN = "warn"
    DEGRADE = "degrade"
    BLOCK = "block"


def window_bounds(*, period: Period, zone: str, instant: datetime) -> tuple[datetime, datetime]:
    """Return the half-open UTC interval `[start, end)` of the window that holds `instant` (aware).

    Days begin at the first instant of their date in the zone, also where midnight is skipped or happens twice; weeks begin
    on Monday, months on the first. The ledger computes the same in SQL (billing/ledger/sql/10_window_bounds.sql); a test
    compares the two. Worked example: Europe/Berlin, 2026-10-25 12:00 UTC, daily: from 2026-10-24 22:00 to 2026-10-25 23:00, 25 hours.
    """
    if period is Period.TOTAL:
        return ALWAYS
    local = ZoneInfo(zone)
    day = _day_of(instant, local)
    if period is Period.WEEKLY:
        day -= timedelta(days=day.weekday())
    elif period is Period.MONTHLY:
        day = day.replace(day=1)
    return _start_of(day, local), _start_of(_next(day, period), local)


def _day_of(instant: datetime, local: ZoneInfo) -> date:
    """The latest date whose first instant has come: not simply the local date, which in some zones has gone backwards."""
    day = instant.astimezone(local).date() + timedelta(days=1)
    while _start_of(day, local) > instant or _start_of(day, local) == _start_of(day + timedelta(days=1), local):
        day -= timedelta(days=1)
    return day


def _start_of(day: date, local: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=local, fold=0).astimezone(UTC)


def _next(day: date, period: Period) -> date:
    if period is Period.WEEKLY:
        return day + timedelta(days=7)
    if period is Period.MONTHLY:
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=1)
