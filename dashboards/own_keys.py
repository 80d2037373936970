"""Whose costs and runs a person sees: everybody's, or, as a developer, those of the API keys that they made."""

from collections.abc import Sequence
from uuid import UUID

from dashboards.access import may
from tenants.models import ApiKey, Membership
from tenants.roles import Permission


def keys_whose_costs(membership: Membership) -> Sequence[UUID] | None:
    """Return the keys whose costs the person may see; None for those of everything."""
    return None if may(membership, Permission.SEE_COSTS) else _own(membership)


def keys_whose_runs(membership: Membership) -> Sequence[UUID] | None:
    """Return the keys whose runs the person may see; None for all runs."""
    return None if may(membership, Permission.SEE_RUNS, Permission.SEE_RUNS_MONEY) else _own(membership)


def _own(membership: Membership) -> Sequence[UUID]:
    return list(ApiKey.objects.filter(created_by=membership.user_id).values_list("pk", flat=True))
