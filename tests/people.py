"""People at their browsers: logged in through the real page, with the links and codes that they would have."""

import re
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.test import Client

from tenants.accounts.adapters import postman
from tenants.models import Membership, Tenant, User
from tenants.scoping import tenant_scope
from tests.cast import PASSWORD

AGENT = "Mozilla/5.0 (Test)"


class Browser(Client):
    """Calls over https, as a browser that follows no redirects by itself."""

    def __init__(self, *, address: str = "203.0.113.77", checks_csrf: bool = False) -> None:
        super().__init__(enforce_csrf_checks=checks_csrf, REMOTE_ADDR=address, HTTP_USER_AGENT=AGENT)

    def generic(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        return super().generic(method, path, *args, **{**kwargs, "secure": True})

    def enter(self, user: User, password: str = PASSWORD, **fields: str) -> Any:
        return self.post("/login/", {"login": user.email, "password": password, **fields})

    def prove(self, password: str = PASSWORD) -> Any:
        return self.post("/account/again/", {"password": password})


def logged_in(user: User, **options: Any) -> Browser:
    browser = Browser(**options)
    answer = browser.enter(user)
    assert answer.status_code == 302, answer.content
    return browser


def make_owner(tenant: Tenant, name: str = "maria") -> User:
    user = User.objects.create_user(f"{name}@{tenant.slug}.example", PASSWORD, name=name.title())
    with tenant_scope(tenant.id):
        Membership.objects.create(user=user, role="owner")
    return user


def give_second_factor(user: User) -> str:
    """Return the secret of an authenticator app that the person set up."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def code_of(secret: str, *, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def has_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()


def posted() -> list[Any]:
    """The mails that are out, once the postman is back."""
    postman.submit(len, "").result(timeout=30)
    return mail.outbox


def link_in(text: str) -> str:
    found = re.search(r"https?://[^/\s]+(/\S+)", text)
    assert found, text
    return found[1]
