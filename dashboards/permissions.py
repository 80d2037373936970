"""What each role may do in the console. A page names what it needs in dashboards/urls.py; what nobody named, nobody may."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import URLPattern, path

from tenants.models import Membership, Role

SAFE_METHODS = ("GET", "HEAD")
View = Callable[..., HttpResponseBase]


class Permission(StrEnum):
    """One thing that a person may or may not do."""

    SEE_COSTS = "see costs"
    SEE_RUNS = "see runs"
    SEE_BUDGETS = "see budgets"
    CHANGE_LIMITS = "change limits of budgets"
    CHANGE_BUDGETS = "create, change and end budgets"
    START = "make the first call"
    SEE_KEYS = "see API keys"


EVERYBODY = frozenset(Role)
ALLOWED: Mapping[Permission, frozenset[Role]] = {
    Permission.SEE_COSTS: EVERYBODY,
    Permission.SEE_RUNS: EVERYBODY,
    Permission.SEE_BUDGETS: EVERYBODY,
    Permission.CHANGE_LIMITS: frozenset({Role.OWNER, Role.OPERATOR, Role.FINANCE}),
    Permission.CHANGE_BUDGETS: frozenset({Role.OWNER, Role.OPERATOR}),
    Permission.START: frozenset({Role.OWNER, Role.OPERATOR, Role.DEVELOPER}),
    Permission.SEE_KEYS: frozenset({Role.OWNER, Role.OPERATOR, Role.DEVELOPER}),
}
ASKED_FOR = (Role.OPERATOR, Role.FINANCE, Role.DEVELOPER, Role.VIEWER, Role.OWNER)
"""Which role somebody who lacks one should ask for: the least powerful that the console has a use for comes first."""


def may(membership: Membership, permission: Permission) -> bool:
    return Role(membership.role) in ALLOWED.get(permission, frozenset())


def page(route: str, view: View, *, name: str, see: Permission, change: Permission | None = None) -> URLPattern:
    """Return the route of a page under /o/<tenant>/. `see` is needed to look, `change` to send; without `change` nothing can be sent."""
    guarded = login_required(_guarded(view, see=see, change=change))
    guarded.needs = {"see": see, "change": change}  # type: ignore[attr-defined]
    return path(f"o/<slug:tenant_slug>/{route}", guarded, name=name)


def action(route: str, view: View, *, name: str, needs: Permission) -> URLPattern:
    """Return the route of something that is only done, by POST: there is no page to look at."""
    guarded = login_required(_guarded(view, see=None, change=needs))
    guarded.needs = {"see": None, "change": needs}  # type: ignore[attr-defined]
    return path(f"o/<slug:tenant_slug>/{route}", guarded, name=name)


def _guarded(view: View, *, see: Permission | None, change: Permission | None) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        kwargs.pop("tenant_slug")  # the middleware has put the tenant's scope around us
        membership: Membership = request.membership  # type: ignore[attr-defined]
        needed = see if request.method in SAFE_METHODS else change
        if needed is None:
            return HttpResponseNotAllowed(SAFE_METHODS if see else ("POST",))
        for permission in (see, needed):
            if permission and not may(membership, permission):
                return refuse(request, permission)
        return view(request, *args, **kwargs)

    return guarded


def refuse(request: HttpRequest, permission: Permission) -> HttpResponse:
    """Say which role is needed, and who can give it."""
    from dashboards.shell import console_context  # it needs the navigation, which needs this module

    role = next(role for role in ASKED_FOR if role in ALLOWED[permission])
    owners = Membership.objects.filter(role=Role.OWNER).select_related("user")
    context = {"role": role.label, "permission": permission.value, "owners": [owner.user.name or owner.user.email for owner in owners]}
    return render(request, "console/refused.html", {**console_context(request), "title": "Not for your role", **context}, status=403)
