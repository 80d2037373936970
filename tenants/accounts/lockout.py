"""Too many failed tries lock an address for a while, by the same count (axes) for passwords and for second factors."""

from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.signals import authentication_failed
from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

SECOND_FACTOR = "second factor of "
LOCKED = "There were too many failed tries. Try again in 15 minutes."


def name_of_try(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """AXES_USERNAME_CALLABLE: whom somebody tries to be."""
    given = credentials or {}
    name = given.get("username") or given.get("email") or (request.POST.get("login") if request is not None else "") or ""
    return str(name).lower()[:255]


def locked_out(request: HttpRequest, original: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:  # noqa: ARG001
    """AXES_LOCKOUT_CALLABLE. It says the same of addresses that are known and of others."""
    return render(request, "account/locked.html", {"locked": LOCKED}, status=429)


class LockedForm:
    """A form for a code that is refused, right or wrong, while its person is locked."""

    user: Any

    def clean_code(self) -> str:
        if not AxesProxyHandler.is_allowed(context.request, {"username": f"{SECOND_FACTOR}{self.user.email}"}):
            raise ValidationError(LOCKED)
        code: str = super().clean_code()  # type: ignore[misc]
        return code


class SecondFactorForm(LockedForm, AuthenticateForm):  # type: ignore[misc]
    pass


class SecondFactorAgainForm(LockedForm, ReauthenticateForm):  # type: ignore[misc]
    pass


@receiver(authentication_failed)
def count_failure(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    user_login_failed.send(sender=sender, credentials={"username": f"{SECOND_FACTOR}{user.email}"}, request=request)
