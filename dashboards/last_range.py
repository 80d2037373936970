"""The range that a person looked at last, in a cookie of their browser: a page whose address names none opens with it."""

from functools import wraps
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from dashboards.access import View
from dashboards.ranges import COMPARISONS, DEFAULT, DEFAULT_COMPARISON, PRESETS
from dashboards.shell import A_YEAR

RANGE_COOKIE, SEPARATOR = "range", "."


def keeps_range(view: View) -> View:
    """Let a page with a range open with the last one, by an address that names it, so that whoever gets the address sees the same.

    Days of a calendar are not kept: they would be old tomorrow. Worked example: after /o/acme/?range=7d, /o/acme/costs/?group=tier leads to
    /o/acme/costs/?range=7d&compare=weekday&group=tier.
    """

    @wraps(view)
    def kept(request: HttpRequest) -> HttpResponseBase:
        if "range" not in request.GET and (query := _last(request)):
            return redirect(f"{request.path}?{'&'.join(filter(None, (query, request.GET.urlencode())))}")
        response = view(request)
        key, comparison = request.GET.get("range", ""), request.GET.get("compare", DEFAULT_COMPARISON)
        if key in PRESETS:
            value = SEPARATOR.join((key, comparison if _may_be_kept(comparison) else DEFAULT_COMPARISON))
            if value != request.COOKIES.get(RANGE_COOKIE):
                response.set_cookie(RANGE_COOKIE, value, max_age=A_YEAR, samesite="Lax", secure=request.is_secure(), httponly=True)
        return response

    return kept


def _last(request: HttpRequest) -> str:
    """The query of the last range; empty where there is none, or it is what everybody begins with."""
    key, _, comparison = request.COOKIES.get(RANGE_COOKIE, "").partition(SEPARATOR)
    if key not in PRESETS or not _may_be_kept(comparison) or (key, comparison) == (DEFAULT, DEFAULT_COMPARISON):
        return ""
    return urlencode({"range": key, "compare": comparison})


def _may_be_kept(comparison: str) -> bool:
    return comparison in COMPARISONS and comparison != "custom"
