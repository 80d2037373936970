"""Small pictures and words that pages of the console share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.reports import Series
from dashboards.templatetags.money import money, permille, whole

register = template.Library()
SPARK_WIDTH, SPARK_HEIGHT = 92, 24
RANGE_PARAMETERS = ("range", "compare", "back", "from", "to", "against")


@register.inclusion_tag("console/icon.html")
def icon(name: str) -> dict[str, str]:
    return {"name": name}


@register.inclusion_tag("console/spark.html")
def spark(amounts: Sequence[int]) -> dict[str, Any]:
    """A line of amounts, without axes. Who cannot see it is told which way it goes."""
    return {"points": spark_points(amounts), "trend": trend_of(amounts)}


@register.inclusion_tag("console/meter.html")
def meter(percent: int, pace: int | None = None) -> dict[str, Any]:
    """How much of something is used; the tick says how much of the time has passed."""
    kind = "d" if percent >= 100 else "w" if percent >= 80 else ""
    tick = None if pace is None else round(1.2 * pace, 1)
    return {"percent": percent, "width": round(1.2 * max(0, min(percent, 100)), 1), "pace": pace, "tick": tick, "kind": kind}


@register.inclusion_tag("console/chart.html")
def chart(
    name: str, *, label: str, figure: dict[str, Any], series: Series, lines: Sequence[Any] = (), sentence: str = "", points_name: str = "Day",
    small: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A figure with everything beside the picture: its numbers as a table, a sentence, a legend, and buttons for files.

    `lines` are pairs of a line and its swatch, for the legend. Without a script the table stays.
    """
    unit = figure["unit"]
    totals = [[total] for total in series.totals] if len(series.lines) > 1 else [[] for _ in series.points]
    rows = [
        {"name": _named(point), "cells": [_cell(amount, unit) for amount in [*(line.amounts[at] for line in series.lines), *totals[at]]]}
        for at, point in enumerate(series.points)
    ]
    return {
        "id": name, "figure_id": f"{name}-figure", "label": label, "figure": figure, "lines": lines, "sentence": sentence, "unit": unit,
        "small": small, "table": {"lines": series.lines, "rows": rows}, "points_name": points_name,
    }  # fmt: skip


def _named(point: date | datetime) -> str:
    return f"{point:%-d %b %H:%M}" if isinstance(point, datetime) else f"{point:%a %-d %b %Y}"


def _cell(amount: int, unit: str) -> str:
    if unit == "usd":
        return money(amount)
    return permille(amount) if unit == "percent" else whole(amount)


@register.simple_tag(takes_context=True)
def with_query(context: dict[str, Any], **changes: Any) -> str:
    """Return the query of this page with some of it changed; an empty value leaves it out. The next page's key never stays."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    query.pop("after", None)
    for name, value in changes.items():
        query.pop(name, None)
        if value not in ("", None):
            query[name] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def with_filter(context: dict[str, Any], text: str) -> str:
    """Return the query of this page with one filter more; those that it has stay."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    if text not in query.getlist("f"):
        query.appendlist("f", text)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def with_range(context: dict[str, Any], query: str) -> str:
    """Return the query of this page with another range: `query` is one of dashboards.ranges."""
    request: HttpRequest = context["request"]
    kept = request.GET.copy()
    for name in (*RANGE_PARAMETERS, "after"):
        kept.pop(name, None)
    return f"?{'&'.join(filter(None, (query, kept.urlencode())))}"


@register.filter
def ago(age: timedelta | None) -> str:
    """Example: 100 seconds are 1 min."""
    if age is None:
        return "never"
    seconds = int(age.total_seconds())
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 90 * 60:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 48 * 3600 else f"{seconds // 86_400} days"


@register.filter
def after(at: datetime, begun_at: datetime) -> str:
    """How long something took to come. Example: 14:12 after 14:00 is 12 min."""
    return ago(max(at - begun_at, timedelta(0)))


def in_zone(at: datetime | None, zone: str) -> str:
    """Example: 27 Nov 2026 14:05."""
    if at is None:
        return ""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y %H:%M}"


def in_zone_short(at: datetime, zone: str) -> str:
    """For lists of newest first. Example: 27 Nov 14:05."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %H:%M}"


@register.filter(name="in_zone")
def time_in_zone(at: datetime | None, zone: str) -> SafeString:
    """A moment of the tenant's, which tells the same in UTC to who points at it."""
    return _time(at, in_zone(at, zone))


@register.filter(name="in_zone_short")
def short_time_in_zone(at: datetime | None, zone: str) -> SafeString:
    return _time(at, in_zone_short(at, zone) if at else "")


def _time(at: datetime | None, told: str) -> SafeString:
    if at is None:
        return SafeString("")
    utc = at.astimezone(UTC)
    return format_html('<time datetime="{}" title="{}">{}</time>', utc.isoformat(timespec="seconds"), f"{utc:%Y-%m-%d %H:%M:%S} UTC", told)


@register.filter
def milliseconds(value: float | None) -> str:
    """Example: 812 is 812 ms, 1840 is 1.84 s."""
    if value is None:
        return "n/a"
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.2f} s"


@register.filter
def duration(seconds: int) -> str:
    """Example: 42 is 42 s, 200 is 3 min 20 s, 7,300 is 2 h 1 min."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def spark_points(amounts: Sequence[int]) -> str:
    highest = max(amounts, default=0) or 1
    across = (SPARK_WIDTH - 2) / max(1, len(amounts) - 1)
    heights = [SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * amount / highest for amount in amounts]
    return " ".join(f"{1 + number * across:.1f},{height:.1f}" for number, height in enumerate(heights))


def trend_of(amounts: Sequence[int]) -> str:
    """Compare the halves. The last amount is left out: its day may still run."""
    half = (len(amounts) - 1) // 2
    earlier, later = sum(amounts[:half]), sum(amounts[half : 2 * half])
    if not earlier and not later:
        return "nothing"
    return "rising" if later * 10 > earlier * 11 else "falling" if later * 11 < earlier * 10 else "steady"


@register.filter
def points_from(now: int, before: int) -> str:
    """A difference of shares. Example: 714 from 735 is 2.1 pt."""
    return f"{abs(now - before) // 10}.{abs(now - before) % 10} pt"


@register.filter
def at(items: Sequence[Any], number: int) -> Any:
    return items[number]


@register.filter
def of(values: Mapping[Any, Any], key: Any) -> Any:
    return values.get(key, "")


@register.filter
def slice_id(identity: object) -> str:
    """An id is told by its end: its beginning is the time, which neighbours share. Example: …9f3c2a71."""
    return f"…{str(identity)[-8:]}"
