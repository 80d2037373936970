"""What every page of the console is made in: the menu, the switch of tenants, the theme, and how fresh the numbers are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from msgspec import Struct

from billing import reports
from dashboards.navigation import entry_of, menu_of
from tenants.models import Membership

THEMES = {"light": "Light", "dark": "Dark", "auto": "System"}
THEME_COOKIE, SHORTCUTS_COOKIE = "theme", "shortcuts"
A_YEAR = 365 * 86_400


class Place(Struct, frozen=True, kw_only=True):
    """A tenant that a person may switch to, and the address of the same page there."""

    name: str
    role: str
    url: str
    is_current: bool


def membership_of(request: HttpRequest) -> Membership:
    """Return the person's membership in the tenant of the address; the middleware has looked it up."""
    found: Membership = request.membership  # type: ignore[attr-defined]
    return found


def show(request: HttpRequest, template: str, context: Mapping[str, Any], *, title: str, now: datetime, status: int = 200) -> HttpResponse:
    """Render a page in the shell. `title` is its heading; `now` says what "40 s ago" means."""
    pulse = reports.pulse(now=now)
    counts = {"budgets_over": pulse.budgets_over, "anomalies_open": pulse.anomalies_open}
    shell = {**console_context(request, counts=counts), "title": title, "pulse": pulse, "now": now}
    return render(request, template, {**shell, **context}, status=status)


def show_part(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """Render a fragment that htmx puts into a page."""
    membership = membership_of(request)
    return render(request, template, {"tenant": membership.tenant, "membership": membership, **context}, status=status)


def show_piece(
    request: HttpRequest, part: str, page: str, context: Mapping[str, Any], *, title: str, now: datetime, status: int = 200
) -> HttpResponse:  # fmt: skip
    """Render the piece that htmx asks for, or the page that has it where no script runs."""
    return show_part(request, part, context) if is_part(request) else show(request, page, context, title=title, now=now, status=status)


def is_part(request: HttpRequest) -> bool:
    """Does htmx ask, for a piece of the page?"""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def may_wait(request: HttpRequest) -> bool:
    """May the answer take its time? So for a piece that comes after its page (console/later.html), and for who asked for the whole page."""
    return is_part(request) or "whole" in request.GET


def console_context(request: HttpRequest, *, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return what console/base.html needs. `counts` are open problems by name, shown in the menu."""
    membership = membership_of(request)
    current = request.resolver_match.url_name or "" if request.resolver_match else ""
    return {
        "tenant": membership.tenant, "membership": membership, "places": places_of(request, current=current),
        "menu": menu_of(membership, current=current, counts=counts or {}),
        "themes": THEMES, "shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
    }  # fmt: skip


def places_of(request: HttpRequest, *, current: str) -> list[Place]:
    """Return the tenants of the person, with the same page in each: its list, where the page is of one row that others do not have."""
    match = request.resolver_match
    is_shared = match is not None and set(match.kwargs) == {"tenant_slug"}
    entry = entry_of(current)
    name = current if is_shared else entry.name if entry else "overview"
    query = f"?{request.GET.urlencode()}" if is_shared and request.GET and "after" not in request.GET else ""
    here = membership_of(request)
    return [
        Place(
            name=other.tenant.name, role=_role_in(other), url=reverse(name, args=[other.tenant.slug]) + query,
            is_current=other.tenant_id == here.tenant_id,
        )
        for other in request.memberships  # type: ignore[attr-defined]
    ]


def _role_in(membership: Membership) -> str:
    return f"{membership.get_role_display()}{', sample data' if membership.tenant.is_demo else ''}"


def theme_of(request: HttpRequest) -> str:
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"


def theme(request: HttpRequest) -> dict[str, str]:
    """Context processor: the theme is in the page before its first byte is drawn, so nothing flashes."""
    return {"theme": theme_of(request)}


def menu(request: HttpRequest) -> dict[str, Any]:
    """Context processor: pages of other apps under /o/<tenant>/, such as the members', stand in the console's menu too."""
    return console_context(request) if getattr(request, "membership", None) and _is_of_others(request) else {}


def _is_of_others(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and not hasattr(match.func, "needs")
