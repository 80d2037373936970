"""Months in the address of a page. They are the tenant's own."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from billing.engine.months import next_month

MONTHS = 13


def months_until(*, zone: str, now: datetime) -> list[date]:
    """Return the first days of the month that runs in a zone and of the twelve before it, newest first."""
    month = now.astimezone(ZoneInfo(zone)).date().replace(day=1)
    found = [month]
    while len(found) < MONTHS:
        month = month.replace(year=month.year - (month.month == 1), month=month.month - 1 or 12)
        found.append(month)
    return found


def month_named(text: str, *, among: Sequence[date]) -> date:
    """Return the month of an address ("2026-10"), or the last one that is over."""
    return next((month for month in among if f"{month:%Y-%m}" == text), among[1])


def month_choices(months: Sequence[date]) -> list[tuple[str, str]]:
    names = [f"{month:%B %Y}" for month in months]
    return [(f"{month:%Y-%m}", f"{name}, so far" if at == 0 else name) for at, (month, name) in enumerate(zip(months, names, strict=True))]


def days_of_month(month: date) -> Mapping[str, date]:
    return {"first": month, "last": next_month(month) - timedelta(days=1)}


def month_of_text(text: str) -> date | None:
    """Return the month that a form names; None for a text that is none. Example: 2026-10 is 1 October 2026."""
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return month if 2000 <= month.year <= 9000 else None
