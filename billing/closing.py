"""Months are closed: then their sums stand, and a chain of hashes commits to each entry. docs/guides/finance.md tells how.

An entry is counted to the month of `booked_at` in the tenant's zone: when it was booked, by the database's clock. A month that is over thus has
all of its entries by itself, and whatever is learnt later (a price, a provider's bill, a late answer) is booked in the open month. Counting by
the time of the call instead would change months that are over with each correction.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from msgspec import Struct

from billing.engine.lines import BY_PRICE
from billing.engine.months import Stretch, month_stretch, next_month
from billing.models import CloseOfMonth, CostEntry, Reservation
from billing.reports.statements import month_of
from tenants.errors import Conflict
from tenants.models import ApiKey, Role, Tenant
from tenants.scoping import current_tenant_id

SETTLED_AFTER = timedelta(minutes=15)
"""A booking takes its time first and commits within seconds. The database refuses to close sooner, too."""
MARK = 24
"""Bytes that a sealed block keeps of an entry: its id, and the first eight of its digest."""
OUT_OF_TURN = "CF005"
OPEN_HOLDS, UNPRICED = "open_holds", "unpriced"
OBSTACLES = (OPEN_HOLDS, UNPRICED)
"""What may be accepted by saying so."""


class Tampered(Struct, frozen=True, kw_only=True):
    """Something in a closed month that is not as it was sealed: which month, what, and the entry where it is one."""

    month: date
    what: str
    entry: UUID | None = None


def obstacles(*, month: Stretch) -> dict[str, int]:
    """Return how many holds of the month are still open, and how many of its calls were never priced, by name; nothing for none."""
    counts = {
        OPEN_HOLDS: Reservation.objects.filter(state="open", created_at__lt=month.end_at).count(), UNPRICED: unpriced_entries(month).count(),
    }  # fmt: skip
    return {name: count for name, count in counts.items() if count}


def unpriced_entries(month: Stretch) -> QuerySet[CostEntry]:
    """Return the calls of a month that no price was known for, and that nobody has priced since."""
    entries = CostEntry.objects.filter(booked_at__gte=month.start_at, booked_at__lt=month.end_at)
    priced_since = CostEntry.objects.filter(
        reservation_id=OuterRef("reservation_id"), leg=OuterRef("leg"), attempt=OuterRef("attempt"), reference__startswith=BY_PRICE
    )
    used = Q(input_tokens__gt=0) | Q(output_tokens__gt=0)
    return entries.filter(used, price_version="", kind__in=("settled", "estimated")).exclude(Exists(priced_since))


def next_to_close(*, tenant: Tenant) -> Stretch | None:
    """Return the month after the last one that is closed; None where none is: then any may be the first."""
    last = CloseOfMonth.objects.filter(reopened_at=None).first()
    return month_of(tenant=tenant, day=next_month(last.month)) if last else None


def open_months(*, tenant: Tenant, now: datetime) -> list[Stretch]:
    """Return the months that are not closed, oldest first, up to the one that runs: from the one after the last closed month on, or from that of
    the first entry. Worked example: with August closed, on 27 November they are September, October and November.
    """
    found = next_to_close(tenant=tenant)
    if found is None:
        first = CostEntry.objects.order_by("booked_at").values_list("booked_at", flat=True).first()
        found = month_of(tenant=tenant, day=(first or now).astimezone(ZoneInfo(tenant.time_zone)).date())
    months = [found]
    while months[-1].end_at <= now:
        months.append(month_stretch(next_month(months[-1].first), zone=tenant.time_zone))
    return months


def close_month(
    *, month: date, actor: str, now: datetime, reason: str = "", in_spite_of: Collection[str] = (),
    catalog: Mapping[str, Mapping[str, str]] | None = None,
) -> CloseOfMonth:
    """Close a month of the scope's tenant. Takes some seconds for a million entries. `catalog` is what providers and models are called outside.

    Raises Conflict for a month that is not over for a quarter of an hour, that is closed, or that is not the next one; and for one with open
    holds or unpriced calls, unless `in_spite_of` names them ("open_holds", "unpriced").
    """
    tenant = Tenant.objects.get(pk=current_tenant_id())
    wanted, following = month_of(tenant=tenant, day=month), next_to_close(tenant=tenant)
    _check_turn(wanted, following, now=now)
    found = obstacles(month=wanted)
    left = {name: count for name, count in found.items() if name not in in_spite_of}
    if left:
        raise Conflict(_why_not(wanted, left), code=next(iter(left)))
    names = {"tenant": tenant.name, "slug": tenant.slug, "keys": {str(key.pk): key.name for key in ApiKey.objects.only("name")}, **(catalog or {})}
    with _said_by_the_database(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT billing_close_month(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [tenant.pk, wanted.first, wanted.start_at, wanted.end_at, wanted.zone, msgspec.json.encode(names).decode(), sorted(found), actor, reason],
        )
        (made,) = cursor.fetchone()
    return CloseOfMonth.objects.get(pk=made)


def reopen_month(*, month: date, actor: str, role: str, reason: str) -> CloseOfMonth:
    """Open the month that was closed last again, for an owner who says why. The close stays as history, with who reopened it.

    Raises Conflict for anybody else than an owner, without a reason, and for a month that is not the last closed one.
    """
    if role != Role.OWNER:
        raise Conflict("Only an owner of the tenant may open a closed month again.", code="needs_an_owner")
    if not reason.strip():
        raise Conflict("Say why the month is opened again: the reason is kept with it.", code="needs_a_reason")
    close = CloseOfMonth.objects.filter(month=month.replace(day=1), reopened_at=None).first()
    if close is None:
        raise Conflict(f"{month:%Y-%m} is not closed.", code="not_closed")
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_reopen_month(%s, %s, %s, %s)", [current_tenant_id(), close.pk, actor, reason])
        (reopened,) = cursor.fetchone()
    if not reopened:
        raise Conflict(f"A later month than {month:%Y-%m} is closed too: open that one first.", code="later_month_closed")
    close.refresh_from_db()
    return close


def verify_closes() -> Iterator[Tampered]:
    """Read every closed month of the scope's tenant again, and yield what is not as it was sealed: entries that were changed, removed or put in.

    Whoever can rewrite the database can rewrite the chain as well, from some month on. So keep the last close's hash elsewhere, as the manifests
    of the exports do, and compare it.
    """
    before: CloseOfMonth | None = None
    for close in CloseOfMonth.objects.filter(reopened_at=None).order_by("month"):
        if before is not None and (close.previous_id != before.pk or close.start_at != before.end_at):
            yield Tampered(month=close.month, what=f"it does not follow the close of {before}")
        before = close
        yield from _tampered(close)


def _tampered(close: CloseOfMonth) -> Iterator[Tampered]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, sealed_marks, found_marks FROM billing_verify_close(%s, %s)", [current_tenant_id(), close.pk]
        )
        rows = cursor.fetchall()
    for number, sealed, found in rows:
        if number < 0:
            if len(rows) == 1:
                yield Tampered(month=close.month, what="its sums or its hash are not those that were written when it was closed")
            continue
        yield from _differences(close.month, number, _marks(sealed), _marks(found))


def _differences(month: date, number: int, sealed: dict[UUID, bytes], found: dict[UUID, bytes]) -> Iterator[Tampered]:
    named = False
    for entry in sorted(sealed.keys() | found.keys(), key=str):
        if sealed.get(entry) == found.get(entry):
            continue
        named = True
        what = "was removed" if entry not in found else "was put in" if entry not in sealed else "was changed"
        yield Tampered(month=month, what=f"an entry {what}", entry=entry)
    if not named:
        yield Tampered(month=month, what=f"the hash of block {number} is not that of its entries")


def _marks(packed: bytes) -> dict[UUID, bytes]:
    data = bytes(packed)
    return {UUID(bytes=data[at : at + 16]): data[at + 16 : at + MARK] for at in range(0, len(data), MARK)}


@contextmanager
def _said_by_the_database() -> Iterator[None]:
    """Somebody else may close the month meanwhile: the database has the last word, and says it in words."""
    try:
        yield
    except DatabaseError as refused:
        if not isinstance(refused.__cause__, psycopg.Error) or refused.__cause__.sqlstate != OUT_OF_TURN:
            raise
        said = refused.__cause__.diag.message_primary or "the month cannot be closed"
        raise Conflict(f"{said[0].upper()}{said[1:]}.", code="cannot_be_closed") from refused


def _check_turn(wanted: Stretch, following: Stretch | None, *, now: datetime) -> None:
    if now < wanted.end_at + SETTLED_AFTER:
        raise Conflict(
            f"{wanted.first:%Y-%m} can be closed from {wanted.end_at + SETTLED_AFTER:%Y-%m-%d %H:%M} UTC on.", code="month_not_over"
        )
    if following is not None and wanted.first < following.first:
        raise Conflict(f"{wanted.first:%Y-%m} is closed, or was before the first month that was.", code="already_closed")
    if following is not None and wanted.first > following.first:
        raise Conflict(f"Months are closed one after the other: close {following.first:%Y-%m} first.", code="earlier_month_open")


def _why_not(month: Stretch, left: dict[str, int]) -> str:
    said = {
        OPEN_HOLDS: f"{left.get(OPEN_HOLDS)} holds of {month.first:%Y-%m} are still open, so not all of its calls are booked",
        UNPRICED: f"{left.get(UNPRICED)} calls of {month.first:%Y-%m} have no price: give their models one and re-price them",
    }
    return f"{'; '.join(said[name] for name in left)}. To close it all the same, accept this by name: {', '.join(left)}."
