"""Lines of the book as rows tell them, a page at a time: for those who correct it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from msgspec import Struct

from billing.engine.lines import CORRECTIONS, Booked, Line
from billing.models import CostEntry

Position = tuple[datetime, UUID]
"""Where a page ended: when its last line was booked, and the entry's id."""
Key = tuple[UUID, int, int]


class Page(Struct, frozen=True, kw_only=True):
    lines: Sequence[Line]
    next: Position | None
    """Where the next page begins; None after the last one."""


def page_of_lines(*, since: datetime, until: datetime | None, limit: int, after: Position | None = None, **filters: Any) -> Page:
    """Return attempts of the scope's tenant by the time of their hold, from `since` to before `until`, in the order of their booking.

    `filters` are those of CostEntry, for the entry that closed the attempt: model, provider.
    """
    wanted = Q(occurred_at__gte=since, booked_at__gte=since, **filters)  # nothing is booked before its hold; and the index goes by booked_at
    if until is not None:
        wanted &= Q(occurred_at__lt=until)
    if after is not None:
        wanted &= Q(booked_at__gte=after[0]) & (Q(booked_at__gt=after[0]) | Q(id__gt=after[1]))
    closing = list(CostEntry.objects.filter(wanted).exclude(kind__in=CORRECTIONS).order_by("booked_at", "id")[: limit + 1])
    page = closing[:limit]
    later = _corrections_of(page)
    lines = [_line(entry, later[_key(entry)]) for entry in page]
    return Page(lines=lines, next=(page[-1].booked_at, page[-1].id) if len(closing) > limit else None)


def _corrections_of(page: Sequence[CostEntry]) -> dict[Key, list[CostEntry]]:
    found: dict[Key, list[CostEntry]] = defaultdict(list)
    for entry in CostEntry.objects.filter(reservation_id__in={entry.reservation_id for entry in page}, kind__in=CORRECTIONS).order_by("id"):
        found[_key(entry)].append(entry)
    return found


def _key(entry: CostEntry) -> Key:
    return entry.reservation_id, entry.leg, entry.attempt


def _line(first: CostEntry, later: Sequence[CostEntry]) -> Line:
    return Line(
        reservation_id=first.reservation_id, leg=first.leg, attempt=first.attempt, provider=first.provider, end_user_id=first.end_user_id,
        occurred_at=first.occurred_at, occurred_on=first.occurred_on, outcome=first.outcome, is_unverified=first.is_unverified,
        first=_booked(first), later=[_booked(entry) for entry in later],
    )  # fmt: skip


def _booked(entry: CostEntry) -> Booked:
    return Booked(**{name: getattr(entry, name) for name in Booked.__struct_fields__})
