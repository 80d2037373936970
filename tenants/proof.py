"""What a person must be and show before a view answers: the permission, a fresh proof that they are they, a second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

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


def needs(permission: Permission) -> Callable[[View], View]:
    """For views under /o/<tenant>/: a role without the permission is told which roles have it."""

    def made(view: View) -> View:
        @wraps(view)
        def allowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if permission not in request.membership.permissions:  # type: ignore[attr-defined] # the middleware has found it
                return render(request, "account/not_allowed.html", {"roles": [role.label for role in roles_with(permission)]}, status=403)
            return view(request, *args, **kwargs)

        return allowed

    return made
