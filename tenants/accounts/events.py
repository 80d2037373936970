"""What people change about their own way in, told to each tenant that they belong to. Values are never told."""

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.signals import social_account_added, social_account_removed
from axes.signals import user_locked_out
from django.dispatch import receiver
from django.http import HttpRequest

from tenants.actors import Door
from tenants.audit import acting, person_acting, record
from tenants.models import Membership, User
from tenants.scoping import platform_scope, tenant_scope

FACTORS = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery codes"}


@receiver([password_changed, password_reset, password_set])
def tell_password(request: HttpRequest, user: User, **_: Any) -> None:
    tell(request, user, action="password changed")


@receiver(authenticator_added)
def tell_added(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    tell(request, user, action="second factor added", factor=FACTORS[authenticator.type])


@receiver([authenticator_removed, authenticator_reset])
def tell_removed(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    tell(request, user, action="second factor changed", factor=FACTORS[authenticator.type])


@receiver([social_account_added, social_account_removed])
def tell_connection(request: HttpRequest, **given: Any) -> None:
    account = given["sociallogin"].account if "sociallogin" in given else given["socialaccount"]
    tell(request, account.user, action="identity provider changed", provider=account.provider)


@receiver(user_locked_out)
def tell_locked(request: HttpRequest, username: str, **_: Any) -> None:
    person = User.objects.filter(email=username.removeprefix("second factor of ")).first()
    if person is not None:
        tell(request, person, action="locked out")


def tell(request: HttpRequest, person: User, *, action: str, **facts: str) -> None:
    """Write an entry into the audit log of each tenant that the person belongs to."""
    with platform_scope():
        tenants = list(Membership.objects.filter(user=person.pk).values_list("tenant_id", flat=True))
    with acting(person_acting(request, door=Door.CONSOLE, operation="account", user=person)):
        for tenant_id in tenants:
            with tenant_scope(tenant_id):
                record(
                    action=action, object_type="user", object_id=person.pk, object_name=person.email,
                    changes={name: (None, value) for name, value in facts.items()},
                )  # fmt: skip
