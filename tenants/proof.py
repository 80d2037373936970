"""What a person must be and show before a view answers: the permission, a fresh proof that they are they, a second factor."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.models import Membership, Role
from tenants.roles import Permission, roles_with

View = Callable[..., HttpResponseBase]
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def recently_proved(view: View) -> View:
    """For views of sensitive acts (members, keys): whoever has not proved who they are in the last minutes does so first.

    They come back to the page that they sent the form from, and send it again: an act that was kept for later would run past the middleware.
    """

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if did_recently_reauthenticate(request):
            return view(request, *args, **kwargs)
        methods = get_adapter().get_reauthentication_methods(request.user)
        if not methods:
            raise PermissionDenied
        return redirect(f"{methods[0]['url']}?{urlencode({'next': _page_before(request)})}")

    return asked


def _page_before(request: HttpRequest) -> str:
    """Return the address of the page that is asked for, or that a form was sent from; never one of another site."""
    if request.method == "GET":
        return request.get_full_path()
    sent_from = request.headers.get("referer", "")
    ours = url_has_allowed_host_and_scheme(sent_from, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return urlsplit(sent_from).path if ours else "/"


def has_second_factor(user: Any) -> bool:
    """Recovery codes alone are none."""
    return bool(is_mfa_enabled(user, FACTORS))


def those_with_second_factor(users: Sequence[Any]) -> set[Any]:
    """Return the ids of those of the users who have one: one look, however many."""
    return set(Authenticator.objects.filter(user__in=users, type__in=FACTORS).values_list("user_id", flat=True))


def last_seen(users: Sequence[Any]) -> dict[Any, datetime]:
    """Return when each of the users, by id, was last here, of those who are logged in somewhere: to some minutes."""
    rows = UserSession.objects.filter(user__in=users).values_list("user_id").annotate(seen_at=Max("last_seen_at"))
    return dict(rows)


def _refuse(request: HttpRequest, permission: Permission) -> HttpResponse:
    """Say which roles may, and who can give one."""
    owners = Membership.objects.filter(role=Role.OWNER).select_related("user")
    context = {
        "title": "Not for your role", "roles": [role.label for role in roles_with(permission)],
        "owners": [owner.user.name or owner.user.email for owner in owners],
    }  # fmt: skip
    return render(request, "account/not_allowed.html", context, status=403)


def needs(permission: Permission) -> Callable[[View], View]:
    """For views under /o/<tenant>/: a role without the permission is told which roles have it."""

    def made(view: View) -> View:
        @wraps(view)
        def allowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if permission not in request.membership.permissions:  # type: ignore[attr-defined] # the middleware has found it
                return _refuse(request, permission)
            return view(request, *args, **kwargs)

        return allowed

    return made
