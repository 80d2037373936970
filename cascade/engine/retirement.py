"""Models retire: whoever uses one is told some time before the day."""

from datetime import date

__all__ = ["WARNING_DAYS", "retirement_notice", "warned_from"]

WARNING_DAYS = 30


def warned_from(retired_on: date, *, warning_days: int = WARNING_DAYS) -> date:
    """Return the first day of the warning. Worked number: 30 days before 2026-12-31 is 2026-12-01."""
    return date.fromordinal(max(1, retired_on.toordinal() - warning_days))


def retirement_notice(*, name: str, retired_on: date, today: date, replacement: str = "", warning_days: int = WARNING_DAYS) -> str:
    """Return what is to be said of a model's retirement, in a sentence; "" while its day is far off.

    Worked example: of gpt-4o, which retires on 2026-12-31, it says on 2026-12-20: "'gpt-4o' retires on 2026-12-31 and is left out from then
    on: use 'gpt-5.6-terra'."
    """
    if today < warned_from(retired_on, warning_days=warning_days):
        return ""
    instead = f": use {replacement!r}" if replacement else ": name another model"
    if today < retired_on:
        return f"{name!r} retires on {retired_on} and is left out from then on{instead}."
    return f"{name!r} was retired on {retired_on} and is left out{instead}."
