"""How the calls to providers went."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet
from msgspec import Struct

from billing.models import CostEntry


class ProviderCalls(Struct, frozen=True, kw_only=True):
    """How the calls to one provider connection went, counted from what was booked: by every process, and after each restart."""

    calls: int
    answered: int
    unbilled: int
    """Failed, and known to cost nothing: not reached, refused, or failed with a word of the provider's."""
    uncertain: int
    """Failed after it was sent: a deadline, a broken answer. The provider may have billed it."""
    last_answered_at: datetime | None
    last_failed_at: datetime | None


def calls_of_provider(*, provider: str, since: datetime) -> ProviderCalls:
    """Return how the calls to a connection of the scope's tenant went since then. Each try of a run is a call.

    What was never sent because a run ended first, and what the sweep closed because a process of ours died, is no word of the provider's.
    """
    rows = _tries(since).filter(provider=provider)
    answered, failed = Q(kind__in=("settled", "estimated")), Q(kind__in=("voided", "assumed"))
    return ProviderCalls(
        **rows.aggregate(
            calls=Count("id", filter=answered | failed), answered=Count("id", filter=answered), unbilled=Count("id", filter=Q(kind="voided")),
            uncertain=Count("id", filter=Q(kind="assumed")), last_answered_at=Max("booked_at", filter=answered),
            last_failed_at=Max("booked_at", filter=failed),
        )
    )


def failing_providers(*, since: datetime, least: int) -> Sequence[str]:
    """Return the connections of the scope's tenant of which at least so many calls have failed since then: those that deserve a closer look."""
    failed = _tries(since).filter(kind__in=("voided", "assumed")).values("provider").annotate(failed=Count("id"))
    return [row["provider"] for row in failed.order_by("provider") if row["failed"] >= least]


def _tries(since: datetime) -> QuerySet[CostEntry]:
    return CostEntry.objects.filter(booked_at__gte=since, reference="").exclude(outcome__in=("not sent", "unknown"))
