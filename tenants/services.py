"""Changes of keys, end users and tiers that need more than one statement. Call them inside a tenant's scope; edges pass `now`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError

from tenants.end_users import end_user_id
from tenants.errors import Conflict
from tenants.keys import SHOWN_LENGTH, digest_of, new_key
from tenants.models import ApiKey, EndUser, Tenant, Tier, User
from tenants.scoping import current_tenant_id

OVERLAPS = {"0s": timedelta(0), "1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
"""How long a rolled key may go on working beside the new one."""


def issue_key(
    *, name: str, scopes: Sequence[str], expires_at: datetime | None, now: datetime, rolled_from: ApiKey | None = None,
    requests_per_minute: int | None = None, tokens_per_minute: int | None = None, created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key and its secret, which is shown this once. `created_by` is the person whose own key it is.

    Raises ValidationError for an end in the past.
    """
    if expires_at is not None and expires_at <= now:
        raise ValidationError({"expires_at": "This time has passed: name a later one, or leave it out for a key that does not expire."})
    secret = new_key()
    key = ApiKey.objects.create(
        name=name, scopes=list(scopes), expires_at=expires_at, rolled_from=rolled_from,
        requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, created_by=created_by,
        prefix=secret[:SHOWN_LENGTH], last4=secret[-4:], digest=digest_of(secret, pepper=settings.API_KEY_PEPPER),
    )
    return key, secret


def roll_key(*, key: ApiKey, overlap: timedelta, now: datetime) -> tuple[ApiKey, str]:
    """Return a successor of the key with its name, scopes, rate limits and length of life; the old one ends after `overlap`.

    Raises Conflict for a key that no longer works or has a successor already.
    """
    old = ApiKey.objects.select_for_update().get(pk=key.pk)
    if old.revoked_at or (old.expires_at and old.expires_at <= now):
        raise Conflict("This key no longer works, so it cannot be rolled: create a new one instead.", code="key_not_active")
    if old.rolled_to.exists():
        raise Conflict("This key was rolled already: roll its successor, or revoke this one now.", code="key_already_rolled")
    life = old.expires_at - old.created_at if old.expires_at else None
    made = issue_key(
        name=old.name, scopes=old.scopes, expires_at=now + life if life else None, now=now, rolled_from=old,
        requests_per_minute=old.requests_per_minute, tokens_per_minute=old.tokens_per_minute, created_by=old.created_by,
    )
    old.expires_at = min(old.expires_at or now + overlap, now + overlap)
    old.save(update_fields=["expires_at"])
    return made


def revoke_key(*, key: ApiKey, now: datetime) -> ApiKey:
    """Refuse the key from `now` on. Revoking it again changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
    return key


def set_end_user(*, external_id: str, salt: bytes, changes: Mapping[str, Any]) -> tuple[EndUser, bool]:
    """Give the end user of this name the tier and the block in `changes`, and return them with whether they are new.

    Processes that remember the end user look again: a trigger raises the tenant's version when something changed. Nobody remembers one who is
    new. The limit of new end users an hour is not asked.
    """
    identity = end_user_id(salt=salt, external_id=external_id)
    return EndUser.objects.update_or_create(id=identity, defaults=changes, create_defaults={**changes, "external_id": external_id})


def change_end_user(*, user: EndUser, changes: Mapping[str, Any]) -> EndUser:
    """Give an end user that is there the `tier_id` (None: no tier of their own) and the `is_blocked` in `changes`.

    Calls meet the change within a second, as with set_end_user. Raises Conflict for a tier that is gone.
    """
    for name, value in changes.items():
        setattr(user, name, value)
    if changes.get("tier_id") is not None:
        tier = Tier.objects.select_for_update(no_key=True).filter(pk=changes["tier_id"]).first()  # so that nobody deletes it meanwhile
        if tier is None:
            raise Conflict("There is no such tier any more.", code="no_such_tier")
        user.tier = tier
    user.save(update_fields=list(changes))
    return user


def delete_tier(tier: Tier) -> None:
    """Delete a tier: its end users have none then. Raises Conflict for the tenant's default tier."""
    if Tenant.objects.filter(pk=current_tenant_id(), default_tier=tier.name).exists():
        raise Conflict(f"{tier.name!r} is the default tier, for end users of whom nobody said one. Make another one the default first.")
    tier.delete()


def actor_of_key(key_id: UUID | None) -> str:
    """Return who acts by a key of the scope's tenant, as entries and approvals name them. The secret is not in it."""
    if key_id is None:
        return "a command of ours"
    key = ApiKey.objects.get(pk=key_id)
    return f"API key {key.name} ({key.prefix}…{key.last4})"


def change_settings(*, tenant: Tenant, changes: Mapping[str, Any]) -> Tenant:
    """Change what a tenant settled for all of its calls; it holds within a second. Raises ValidationError, and Conflict for a tier that is none.

    The time zone is not changed here: billing.services.change_time_zone knows whether it can be.
    """
    if "default_tier" in changes and not Tier.objects.filter(name=changes["default_tier"]).exists():
        raise Conflict(f"There is no tier called {changes['default_tier'][:64]!r}.", code="no_such_tier")
    for name, value in changes.items():
        setattr(tenant, name, value)
    tenant.clean_fields(exclude=[field.name for field in Tenant._meta.fields if field.name not in changes])
    tenant.validate_constraints()
    tenant.save(update_fields=list(changes))
    return tenant
