"""Enforcement hooks: made and changed; a signing secret is shown once. Call these inside a tenant's scope."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from cascade.engine.tiers import BUILT_IN_POLICIES
from cascade.models import EnforcementHook
from tenants.encryption import Secret
from tenants.endpoints import check_endpoint
from tenants.errors import Conflict
from tenants.models import Tenant, Tier
from tenants.scoping import current_tenant_id
from tenants.signing import checked_secret
from tenants.webhooks import new_webhook_secret

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


def change_hook(*, hook: EnforcementHook, changes: Mapping[str, Any]) -> EnforcementHook:
    """Change what the hook is asked about and where. Its secrets stay as they are in the database, whoever rolls them meanwhile."""
    for name, value in changes.items():
        setattr(hook, name, value)
    hook.save(update_fields=[*changes])
    return hook


def check_url(url: str) -> None:
    """Say early what asking would refuse. Raises ValidationError."""
    check_endpoint(url, allow_private=settings.ALLOW_PRIVATE_ENDPOINTS)


def checked_tiers(names: Sequence[str]) -> list[str]:
    """Return names of tiers. Raises ValidationError for one that nobody can have: its hook would never be asked."""
    known = {*Tier.objects.values_list("name", flat=True), *BUILT_IN_POLICIES}
    missing = [name for name in names if name not in known]
    if missing:
        raise ValidationError(f"There is no tier {missing[0][:64]!r}. Tiers: {', '.join(sorted(known))}.")
    return sorted(set(names))
