"""Where allauth asks us: who may have an account, how mail goes out, how secrets of second factors are kept."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.utils import timezone

from tenants.actors import Door
from tenants.audit import acting, person_acting
from tenants.encryption import cipher
from tenants.members import accept
from tenants.models import Invitation, User
from tenants.scoping import platform_scope, tenant_scope

log = logging.getLogger(__name__)
PASSWORDS = "django.contrib.auth.backends.ModelBackend"
postman = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postman")
"""Mail goes out beside the request: how long the answer takes must not tell whether an address is known."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: Any) -> None:
        if not hasattr(user, "backend"):
            user.backend = PASSWORDS  # else the first one is noted, which only counts failures
        super().login(request, user)

    def reauthenticate(self, user: Any, password: str) -> bool:
        found = self.authenticate(self.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        message = self.render_mail(template_prefix, email, {"request": self.request, "email": email, "current_site": self._site(), **context})
        postman.submit(send, message)

    def _site(self) -> Any:
        return {"name": "CascadeFlow", "domain": self.request.get_host() if self.request else ""}


def send(message: EmailMessage) -> None:
    """A mail that cannot be sent is told in the log alone: whoever waits for it asks again."""
    try:
        message.send()
    except OSError as failed:
        log.error("a mail could not be sent: %s", type(failed).__name__)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of authenticator apps lie encrypted under CREDENTIAL_KEYS."""

    def encrypt(self, text: str) -> str:
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return cipher().decrypt(encrypted_text.encode()).decode()


class OpenIdAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """An identity provider lets in whom we know by a verified address, and whoever was invited at one."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return bool(_invitations_of(_verified(sociallogin)))

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Any:
        user = super().save_user(request, sociallogin, form)
        now = timezone.now()
        with acting(person_acting(request, door=Door.CONSOLE, operation="accept invitation", user=user)):
            for tenant_id, invitation_id in _invitations_of(_verified(sociallogin)):
                with tenant_scope(tenant_id):
                    found = Invitation.objects.select_for_update().filter(pk=invitation_id, accepted_at=None, withdrawn_at=None).first()
                    if found is not None:
                        accept(invitation=found, user=user, now=now)
        return user

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: Any) -> Any:
        user: User = super().populate_user(request, sociallogin, data)
        user.email = user.email.lower()
        user.name = str(data.get("name") or "")[:200]
        return user


def _verified(sociallogin: Any) -> list[str]:
    return [address.email.lower() for address in sociallogin.email_addresses if address.verified]


def _invitations_of(addresses: list[str]) -> list[tuple[Any, Any]]:
    """Open invitations at any tenant for one of these addresses."""
    with platform_scope():
        found = Invitation.objects.filter(email__in=addresses, accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now())
        return list(found.values_list("tenant_id", "id"))
