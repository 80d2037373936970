"""Days of the tenant's calendar as instants."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from billing.engine.budgets import Period, window_bounds


def instants_of_day(text: str, *, zone: str) -> tuple[datetime, datetime] | None:
    """Return the first instant of a day ("2026-11-26") in a zone and that of the next one; None for a text that is no day.

    Worked number: 2026-10-25 in Europe/Berlin is 25 hours long.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 <= day.year <= 9000:
        return None
    noon = datetime.combine(day, time(12), tzinfo=ZoneInfo(zone))
    start, end = window_bounds(period=Period.DAILY, zone=zone, instant=noon)
    return start, end
