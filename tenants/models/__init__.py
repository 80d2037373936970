"""Who: tenants, the people who operate them, the end users they serve, the keys their applications call with, and what each of them did."""

from django.db import models

from tenants.models.access import CacheRow, Invitation, StaffSession
from tenants.models.audit import AuditEntry
from tenants.models.demos import Demo
from tenants.models.who import (
    MOST_A_MINUTE,
    NUSD_PER_USD,
    ApiKey,
    EndUser,
    Erasure,
    Membership,
    RateBucket,
    Role,
    Scope,
    Tenant,
    Tier,
    User,
    check_time_zone,
    default_scopes,
    new_salt,
    slug_rule,
)
from tenants.scoping import TenantOwnedModel

GLOBAL_MODELS: frozenset[str] = frozenset(
    {
        "tenants.CacheRow", "tenants.Tenant", "tenants.User", "billing.JobStanding", "billing.LedgerOwner", "billing.LedgerState",
        "billing.PlatformPrice",
    }
)  # fmt: skip
"""Our own models without a `tenant` column; a test fails for any other. Tenant has row-level security by its own id."""


def tenant_column(model: type[models.Model]) -> str | None:
    """Return the column that says whose a row of `model` is, or None for a table of the whole platform."""
    if model is Tenant:
        return "id"
    return "tenant_id" if issubclass(model, TenantOwnedModel) else None


__all__ = [
    "GLOBAL_MODELS", "MOST_A_MINUTE", "NUSD_PER_USD", "ApiKey", "AuditEntry", "CacheRow", "Demo", "EndUser", "Erasure", "Invitation", "Membership",
    "RateBucket", "Role", "Scope", "StaffSession", "Tenant", "Tier", "User", "check_time_zone", "default_scopes", "new_salt", "slug_rule",
    "tenant_column",
]
