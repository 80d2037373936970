"""When a provider that says "later" wants to be asked again: each has its own way to say so."""

import math
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["retry_after_s"]

SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?", re.ASCII)
DURATION_PART = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)(ms|s|m|h)", re.ASCII)
SECONDS_OF = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
UNITS = ("requests", "tokens")
LONGEST_S = 7 * 86_400.0
"""What is said to last longer is no word to go by."""


def retry_after_s(headers: Mapping[str, str], *, error: Any = None) -> float | None:
    """Return how many seconds the provider wants to be left alone for, or None where it does not say.

    In this order: `retry-after-ms`; `Retry-After` in seconds, or as a date, which is read against the answer's own `Date` header, so
    that no clock of ours is asked and none need agree; the reset of the `x-ratelimit-*` limit that is used up (OpenAI, Groq, Fireworks,
    Together); Google's RetryInfo in the body's `error`. Example: "6m0s" is 360.
    """
    found = next(_said(headers, error), None)
    return found if found is not None and math.isfinite(found) and 0 <= found <= LONGEST_S else None


def _said(headers: Mapping[str, str], error: Any) -> Iterator[float]:
    milliseconds, given = headers.get("retry-after-ms", ""), headers.get("Retry-After", "").strip()
    if SECONDS.fullmatch(milliseconds):
        yield float(milliseconds) / 1000
    if SECONDS.fullmatch(given):
        yield float(given)
    elif given:
        yield from _until(given, now=headers.get("Date", ""))
    resets = [_duration(headers.get(f"x-ratelimit-reset-{unit}", "")) for unit in UNITS if headers.get(f"x-ratelimit-remaining-{unit}") == "0"]
    resets += [_duration(headers.get("x-ratelimit-reset", ""))]
    yield from sorted((seconds for seconds in resets if seconds is not None), reverse=True)
    yield from _in_body(error)


def _until(date: str, *, now: str) -> Iterator[float]:
    try:
        yield max(0.0, (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):  # no date, or one of the two without a zone
        return


def _duration(text: str) -> float | None:
    """Return the seconds of "1s", "6m0s", "20ms" or plain "7"; None for anything else."""
    if SECONDS.fullmatch(text):
        return float(text)
    parts = DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * SECONDS_OF[unit] for number, unit in parts)


def _in_body(error: Any) -> Iterator[float]:
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        seconds = _duration(delay) if isinstance(delay, str) else None
        if seconds is not None:
            yield seconds
