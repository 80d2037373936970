"""From the console's URL to the tenant, and what the person may do in it."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from tenants.actors import Door
from tenants.audit import acting, person_acting
from tenants.models import Membership, Role, StaffSession, Tenant
from tenants.proof import has_second_factor
from tenants.roles import ROLES, STAFF
from tenants.scoping import platform_scope, tenant_scope

SEEN_EVERY = timedelta(minutes=5)
FACTOR_FIRST = "This account asks its members for a second factor. Set one up, and you are in."


class ConsoleTenantMiddleware:
    """Runs each view under /o/<tenant>/ in that tenant's scope, for its members and for our staff with an open session; anybody else gets 404.
    A view that waits for others says `opens_scopes`: it opens scopes of its own, and no transaction is open while it waits.

    The view finds `request.membership`, with its `permissions` (tenants/roles.py), and `request.staff_session`, which is None for members.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if "tenant_slug" not in kwargs or not request.user.is_authenticated:
            return None
        now = timezone.now()
        staff_session = None
        memberships = memberships_of(request.user.pk)
        membership = next((one for one in memberships if one.tenant.slug == kwargs["tenant_slug"]), None)
        if membership is None:
            staff_session = staff_session_of(request.user, slug=kwargs["tenant_slug"], now=now)
            if staff_session is None:
                raise Http404
            membership = Membership(user=staff_session.user, tenant=staff_session.tenant, role=Role.OPERATOR)
        _see(request, now=now)
        if _factor_is_missing(request, membership.tenant, as_staff=staff_session is not None):
            messages.info(request, FACTOR_FIRST)
            return redirect("mfa_index")
        request.membership, request.memberships, request.staff_session = membership, memberships, staff_session  # type: ignore[attr-defined]
        membership.permissions = STAFF if staff_session else ROLES.get(Role(membership.role), frozenset())
        actor = person_acting(
            request, door=Door.CONSOLE, operation=getattr(request.resolver_match, "url_name", None) or "",
            reason=staff_session.reason if staff_session else "",
        )  # fmt: skip
        scope = nullcontext() if getattr(view, "opens_scopes", False) else tenant_scope(membership.tenant_id)
        with acting(actor), scope:
            response = view(request, *args, **kwargs)
            if hasattr(response, "render"):
                response = response.render()
            return response


def _factor_is_missing(request: HttpRequest, tenant: Tenant, *, as_staff: bool) -> bool:
    wanted = tenant.second_factor_required or (as_staff and settings.STAFF_SECOND_FACTOR)
    return wanted and not has_second_factor(request.user)


def _see(request: HttpRequest, *, now: datetime) -> None:
    """Note, every few minutes, that the session is in use."""
    known = UserSession.objects.filter(session_key=request.session.session_key, last_seen_at__lt=now - SEEN_EVERY)
    known.update(last_seen_at=now)


def memberships_of(user_id: Any) -> list[Membership]:
    """Return where a person is a member, with the tenants, by name; demos come last, so that nobody lands in one."""
    with platform_scope():
        mine = Membership.objects.select_related("tenant").filter(user=user_id, tenant__is_active=True)
        return list(mine.order_by("tenant__is_demo", "tenant__slug"))


def staff_session_of(user: Any, *, slug: str, now: datetime) -> StaffSession | None:
    """Return the open session of one of our staff. Who is staff no more has none."""
    if not user.is_staff:
        return None
    with platform_scope():
        sessions = StaffSession.objects.select_related("tenant", "user")
        return sessions.filter(user=user.pk, tenant__slug=slug, ended_at=None, started_at__lte=now, expires_at__gt=now).first()


def console_context(request: HttpRequest) -> dict[str, Any]:
    """A context processor: `staff_session` for the banner that says our staff is in here."""
    return {"staff_session": getattr(request, "staff_session", None)}
