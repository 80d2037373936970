"""Enforcement hooks and their signing secrets: made, rolled with an overlap, shown once. Call these inside a tenant's scope."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError

from cascade.connections import check_address
from cascade.engine.errors import InvalidRequest
from cascade.models import EnforcementHook
from tenants.encryption import Secret
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import current_tenant_id
from tenants.webhooks import is_webhook_secret, new_webhook_secret

MOST_HOOKS = 5
"""Each call asks all of them."""


def create_hook(*, values: Mapping[str, Any], secret: str | None = None) -> tuple[EnforcementHook, str]:
    """Return a new hook and its signing secret, which is shown this once.

    Raises Conflict where there are five already, ValidationError for an address that cannot be asked and a secret that is none.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=current_tenant_id())  # two at once would both find room
    if EnforcementHook.objects.count() >= MOST_HOOKS:
        raise Conflict(f"There are {MOST_HOOKS} hooks already, and each call asks all of them: delete one first.", code="too_many_hooks")
    check_url(str(values["url"]))
    secret = checked_secret(secret) if secret is not None else new_webhook_secret()
    return EnforcementHook.objects.create(**values, secret=Secret(secret)), secret


def roll_secret(*, hook: EnforcementHook, overlap: timedelta, now: datetime) -> tuple[EnforcementHook, str]:
    """Give the hook a new secret, which is shown this once; the old one goes on signing beside it for the overlap."""
    hook = EnforcementHook.objects.select_for_update().get(pk=hook.pk)
    secret = new_webhook_secret()
    hook.old_secret, hook.old_secret_until = (hook.secret, now + overlap) if overlap else (Secret(""), None)
    hook.secret = Secret(secret)
    hook.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return hook, secret


def check_url(url: str) -> None:
    """Say early what asking would refuse. Raises ValidationError."""
    try:
        check_address(url)
    except InvalidRequest as wrong:
        raise ValidationError({"url": f"{wrong.message[:1].upper()}{wrong.message[1:]}."}) from wrong


def checked_secret(secret: str) -> str:
    """Raises ValidationError that does not repeat it."""
    if not is_webhook_secret(secret):
        raise ValidationError({"secret": "A signing secret reads whsec_ and the base64 of 24 to 64 random bytes."})
    return secret
