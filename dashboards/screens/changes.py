"""What was changed that may have changed costs: marks on charts, read from the audit log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from msgspec import Struct

from tenants.models import AuditEntry

WATCHED: Mapping[str, str] = {
    "preset_version": "preset", "preset_rollout": "rollout of", "model_price": "price of", "tier_policy": "policy of tier",
    "domain_rule": "domain rule",
}  # fmt: skip
"""By the audit log's name of what was changed: how it is told."""
MOST, NAMED = 50, 3


class Changed(Struct, frozen=True, kw_only=True):
    at: datetime
    words: str


def entries_between(start_at: datetime, end_at: datetime) -> QuerySet[AuditEntry]:
    """Return the newest entries about presets, prices, policies and rules in a time, at most MOST."""
    return AuditEntry.objects.filter(at__gte=start_at, at__lt=end_at, object_type__in=[*WATCHED]).order_by("-at", "-id")[:MOST]


def changes_in(entries: Iterable[AuditEntry]) -> Sequence[Changed]:
    """Return the changes in words, oldest first. Who made them is the audit log's to tell."""
    return [
        Changed(at=row.at, words=f"{WATCHED[row.object_type]} {row.object_name or row.object_id[-8:]} {row.action}")
        for row in sorted(entries, key=lambda one: (one.at, one.id))
    ]


def by_day(changes: Sequence[Changed], *, zone: str) -> Mapping[date, str]:
    """Return what was changed on each of the tenant's days, in words."""
    days: dict[date, list[str]] = {}
    for change in changes:
        days.setdefault(change.at.astimezone(ZoneInfo(zone)).date(), []).append(change.words)
    return {day: "; ".join([*words[:NAMED], *([f"and {len(words) - NAMED} more"] if len(words) > NAMED else [])]) for day, words in days.items()}


def changes_of_days(first: date, last: date, *, zone: str) -> Sequence[Changed]:
    """Return the changes of the tenant's days from `first` to `last`, both included."""
    local = ZoneInfo(zone)
    start_at, end_at = (datetime.combine(day, time(), tzinfo=local) for day in (first, last + timedelta(days=1)))
    return changes_in(entries_between(start_at, end_at))
