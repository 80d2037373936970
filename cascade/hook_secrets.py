"""Enforcement hooks and their signing secrets: made, rolled with an overlap, shown once. Call these inside a tenant's scope."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from cascade.connections import check_address
from cascade.engine.errors import InvalidRequest
from cascade.engine.tiers import BUILT_IN_POLICIES
from cascade.models import EnforcementHook, check_hook_url
from tenants.encryption import LostSecret, Secret
from tenants.errors import Conflict
from tenants.models import Tenant, Tier
from tenants.scoping import current_tenant_id
from tenants.webhooks import is_webhook_secret, new_webhook_secret

MOST_HOOKS = 5
"""Each call asks all of them."""


def create_hook(*, values: Mapping[str, Any], secret: str | None = None) -> tuple[EnforcementHook, str]:
    """Return a new hook and its signing secret, which is shown this once.

    Raises Conflict where there are five already, ValidationError for an address that cannot be asked, a tier that is none and a secret
    that is none.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=current_tenant_id())  # two at once would both find room
    if EnforcementHook.objects.count() >= MOST_HOOKS:
        raise Conflict(f"There are {MOST_HOOKS} hooks already, and each call asks all of them: delete one first.", code="too_many_hooks")
    check_url(str(values["url"]))
    checked_tiers(values.get("tiers", ()))
    secret = checked_secret(secret) if secret is not None else new_webhook_secret()
    return EnforcementHook.objects.create(**values, secret=Secret(secret)), secret


def roll_secret(*, hook: EnforcementHook, overlap: timedelta, now: datetime) -> tuple[EnforcementHook, str]:
    """Give the hook a new secret, which is shown this once; the old one goes on signing beside it for the overlap."""
    hook = EnforcementHook.objects.select_for_update().get(pk=hook.pk)
    secret = new_webhook_secret()
    keeps_old = bool(overlap) and not isinstance(hook.secret, LostSecret)  # one that cannot be read signs nothing
    hook.old_secret, hook.old_secret_until = (hook.secret, now + overlap) if keeps_old else (Secret(""), None)
    hook.secret = Secret(secret)
    hook.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return hook, secret


def change_hook(*, hook: EnforcementHook, changes: Mapping[str, Any]) -> EnforcementHook:
    """Change what the hook is asked about and where. Its secrets stay as they are in the database, whoever rolls them meanwhile."""
    for name, value in changes.items():
        setattr(hook, name, value)
    hook.save(update_fields=[*changes])
    return hook


def check_url(url: str) -> None:
    """Say early what asking would refuse. Raises ValidationError."""
    check_hook_url(url)
    if url.startswith("http:") and not settings.ALLOW_PRIVATE_ENDPOINTS:
        raise ValidationError("Use https: over http anybody on the way could read what is asked, and answer it.")
    try:
        check_address(url)
    except InvalidRequest as wrong:
        raise ValidationError(f"{wrong.message[:1].upper()}{wrong.message[1:]}.") from wrong


def checked_tiers(names: Sequence[str]) -> list[str]:
    """Return names of tiers. Raises ValidationError for one that nobody can have: its hook would never be asked."""
    known = {*Tier.objects.values_list("name", flat=True), *BUILT_IN_POLICIES}
    missing = [name for name in names if name not in known]
    if missing:
        raise ValidationError(f"There is no tier {missing[0][:64]!r}. Tiers: {', '.join(sorted(known))}.")
    return sorted(set(names))


def checked_secret(secret: str) -> str:
    """Raises ValidationError that does not repeat it."""
    if not is_webhook_secret(secret):
        raise ValidationError("A signing secret reads whsec_ and the base64 of 24 to 64 random bytes.")
    return secret
