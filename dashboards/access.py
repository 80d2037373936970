"""Who may open a page of the console. A page names what it needs in dashboards/urls.py; what a role may do is said in tenants/roles.py."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import URLPattern, path

from tenants.models import Membership, Role
from tenants.roles import ROLES, Permission
from tenants.scoping import tenant_scope

SAFE_METHODS = ("GET", "HEAD")
View = Callable[..., HttpResponseBase]
ASKED_FOR = (Role.OPERATOR, Role.FINANCE, Role.DEVELOPER, Role.VIEWER, Role.OWNER)
"""Which role somebody who lacks one should ask for: the least powerful that the console has a use for comes first."""


class Needs(NamedTuple):
    """What a page needs. Of each, one is enough; nothing named is nothing allowed."""

    see: Sequence[Permission] = ()
    change: Sequence[Permission] = ()


def may(membership: Membership, *permissions: Permission) -> bool:
    """May the person do one of these? The middleware has found what they may: by their role, or as our staff."""
    return any(permission in membership.permissions for permission in permissions)


def page(
    route: str, view: View, *, name: str, see: Permission | Sequence[Permission], change: Permission | Sequence[Permission] = ()
) -> URLPattern:  # fmt: skip
    """Return the route of a page under /o/<tenant>/. `see` is needed to look, `change` to send; without `change` nothing can be sent."""
    return _route(route, view, name=name, needs=Needs(_many(see), _many(change)))


def action(route: str, view: View, *, name: str, needs: Permission | Sequence[Permission], opens_scopes: bool = False) -> URLPattern:
    """Return the route of something that is only done, by POST: there is no page to look at.

    `opens_scopes` says of a view that waits for others that it opens the tenant's scope itself, when it needs it.
    """
    made = _route(route, view, name=name, needs=Needs((), _many(needs)))
    made.callback.opens_scopes = opens_scopes  # type: ignore[attr-defined]
    return made


def refuse(request: HttpRequest, *permissions: Permission) -> HttpResponse:
    """Say which role is needed, and who can give it."""
    from dashboards.shell import console_context  # it needs the navigation, which needs this module

    role = next(role for role in ASKED_FOR if not ROLES[role].isdisjoint(permissions))
    owners = Membership.objects.filter(role=Role.OWNER).select_related("user")
    context = {
        "role": role.label, "permission": permissions[0].value.replace("_", " "),
        "owners": [owner.user.name or owner.user.email for owner in owners],
    }  # fmt: skip
    return render(request, "console/refused.html", {**console_context(request), "title": "Not for your role", **context}, status=403)


def _route(route: str, view: View, *, name: str, needs: Needs) -> URLPattern:
    guarded = login_required(_guarded(view, needs))
    guarded.needs = needs  # type: ignore[attr-defined]
    return path(f"o/<slug:tenant_slug>/{route}", guarded, name=name)


def _guarded(view: View, needs: Needs) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        kwargs.pop("tenant_slug")  # the middleware has put the tenant's scope around us
        membership: Membership = request.membership  # type: ignore[attr-defined]
        needed = needs.see if request.method in SAFE_METHODS else needs.change
        if not needed:
            return HttpResponseNotAllowed(SAFE_METHODS if needs.see else ("POST",))
        for permissions in (needs.see, needed):
            if permissions and not may(membership, *permissions):
                with tenant_scope(membership.tenant_id):
                    return refuse(request, *permissions)
        return view(request, *args, **kwargs)

    return guarded


def _many(permissions: Permission | Sequence[Permission]) -> Sequence[Permission]:
    return (permissions,) if isinstance(permissions, Permission) else permissions
