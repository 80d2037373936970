"""Usage files of providers, compared with the book and kept; and the corrections posted once somebody approves."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Sum
from msgspec import Struct

from billing.engine.lines import Line
from billing.engine.pricing import Price, cost_nusd
from billing.engine.reconciling import BookSide, Gap, Target, Uncertain, compare
from billing.engine.usage_files import Billed, Key, UsageFile
from billing.housekeeping import database_dsn
from billing.ledger import Adjustment, post_adjustments
from billing.lines import page_of_lines
from billing.models import CostEntry, Reconciliation, Reservation
from billing.pricebook import Place, PriceBook
from billing.repricing import prices_by_version
from tenants.errors import Conflict
from tenants.scoping import current_tenant_id

PAGE = 1_000
MOST_GAPS_KEPT = 2_000
ROUNDS = 3
"""How often what had changed meanwhile is looked at again within one approval."""
SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class Catalog(Struct, frozen=True, kw_only=True):
    """What the tenant calls a connection's models, and by which prices they go."""

    connection: str
    upstream_names: Mapping[str, str]
    """The tenant's name -> the provider's."""
    places: Mapping[str, Place]
    book: PriceBook

    def canonical(self, upstream: str) -> str:
        """Return the name of the group: providers list a call of "gpt-4o" under the dated snapshot that answered it."""
        family = SNAPSHOT.sub("", upstream)
        return family if family in self.upstream_names.values() else upstream

    def group_of(self, model: str) -> str:
        return self.canonical(self.upstream_names.get(model, model))

    def price(self, model: str, instant: datetime) -> Price | None:
        return self.book.at(instant, model=model, place=self.places.get(model))

    def price_of_group(self, group: str, day: date) -> Price | None:
        """Return the price at noon of the day, of any of the tenant's models that the provider lists under this name."""
        noon = datetime.combine(day, time(12), UTC)
        prices = (self.price(model, noon) for model in sorted(self.upstream_names) if self.group_of(model) == group)
        return next((price for price in prices if price), None)


class Comparison(Struct, frozen=True, kw_only=True):
    """The whole file beside the book."""

    gaps: Sequence[Gap]
    names_users: bool
    """Does the file tell our end users apart? OpenAI's export names its own members instead: then all users of a model are one group."""

    @property
    def targets(self) -> list[Target]:
        return [target for gap in self.gaps for target in gap.targets]

    def summary(self) -> dict[str, Any]:
        kinds: dict[str, int] = {}
        for gap in self.gaps:
            for kind in gap.kinds:
                kinds[kind] = kinds.get(kind, 0) + 1
        return {
            "groups": len(self.gaps), "kinds": kinds, "names_users": self.names_users, "adjustments": len(self.targets),
            "adjusting_nusd": sum(gap.adjusted_nusd for gap in self.gaps),
        }  # fmt: skip


def compare_with_book(groups: Mapping[Key, Billed], *, catalog: Catalog, most_lines: int | None = None) -> Comparison:
    """Return every group of the file's days, in the order of day, model and user. Raises Conflict where there are more than `most_lines`."""
    names_users = any(is_id(user) for _, _, user in groups)
    provider: dict[Key, Billed] = {}
    for (day, model, user), billed in groups.items():
        key = (day, catalog.canonical(model), user if names_users else "")
        provider[key] = provider.get(key, Billed()) + billed
    days = [day for day, _, _ in groups]
    book = _book_sides(min(days), max(days), catalog=catalog, names_users=names_users, most_lines=most_lines)
    gaps = []
    for day, model, user in sorted(provider.keys() | book.keys()):
        key = (day, model, user)
        side = book.get(key) or BookSide()
        side.price = side.price or catalog.price_of_group(model, day)
        gaps.append(compare(day=day, model=model, user=user, provider=provider.get(key, Billed()), book=side))
    return Comparison(gaps=gaps, names_users=names_users)


def _book_sides(first: date, last: date, *, catalog: Catalog, names_users: bool, most_lines: int | None) -> dict[Key, BookSide]:
    sides: dict[Key, BookSide] = {}
    since, until = (datetime.combine(day, time.min, UTC) for day in (first, last + timedelta(days=1)))
    after, read = None, 0
    while True:
        page = page_of_lines(since=since, until=until, limit=PAGE, after=after, provider=catalog.connection)
        bounds = _bounds_of([line for line in page.lines if line.is_uncertain])
        fallback = prices_by_version({line.newest.price_version for line in page.lines if line.is_uncertain})
        for line in page.lines:
            user = str(line.end_user_id or "") if names_users else ""
            side = sides.setdefault((line.occurred_at.astimezone(UTC).date(), catalog.group_of(line.first.model), user), BookSide())
            price = catalog.price(line.newest.model, line.occurred_at)
            if line.is_uncertain:
                bound = max(bounds.get((line.reservation_id, line.leg), 0), line.first.amount_nusd)
                side.uncertain.append(Uncertain(line=line, bound_nusd=bound, price=price or fallback.get(line.newest.price_version)))
            else:
                _add_certain(side, line, price=price)
            side.price = side.price or price
        after, read = page.next, read + len(page.lines)
        if after is None:
            return {key: side for key, side in sides.items() if side.calls}
        if most_lines is not None and read >= most_lines:
            raise Conflict(
                f"The book has more than {most_lines:,} calls on these days: reconcile them with 'manage.py reconcile', or a file of fewer days.",
                code="too_many_calls",
            )


def _add_certain(side: BookSide, line: Line, *, price: Price | None) -> None:
    if line.first.kind == "voided" and not line.is_explained:
        return  # nothing was sent, or the provider refused before a token
    used = line.usage
    side.requests += 1
    side.usage += Billed(0, used.input_tokens, used.cached_input_tokens, used.cache_write_tokens, used.output_tokens)
    side.certain_nusd += line.booked_nusd
    side.certain_at_book_nusd += cost_nusd(usage=used, price=price) if price else line.booked_nusd


def _bounds_of(lines: Sequence[Line]) -> dict[tuple[UUID, int], int]:
    holds = Reservation.objects.filter(id__in={line.reservation_id for line in lines}) if lines else ()
    return {(hold.id, number): int(leg["amount"]) for hold in holds for number, leg in enumerate(hold.legs)}


def keep(
    file: UsageFile, *, catalog: Catalog, digest: str, file_name: str, actor: str, most_lines: int | None = None
) -> tuple[Reconciliation, Comparison | None]:
    """Keep a file with what it says of the book, as one row; the same file again has the same row, brought up to date until it is posted.

    Returns the row, and the comparison, which is None for a file whose corrections are all posted: nothing is done then.
    """
    row = Reconciliation.objects.filter(provider=catalog.connection, file_digest=digest).first()
    if row is not None and row.posted_at:
        return row, None
    comparison = compare_with_book(file.groups, catalog=catalog, most_lines=most_lines)
    if row is None:
        row = Reconciliation(provider=catalog.connection, file_digest=digest, created_by=actor)
    row.file_name = file_name[:255]
    row.usage = [[day.isoformat(), model, user, *msgspec.structs.astuple(billed)] for (day, model, user), billed in file.groups.items()]
    row.first_day, row.last_day = file.days
    _take_down(row, comparison)
    row.save()
    return row, comparison


def groups_of(row: Reconciliation) -> dict[Key, Billed]:
    """Return what the kept file said."""
    return {(date.fromisoformat(day), model, user): Billed(*counts) for day, model, user, *counts in row.usage}


def approve(row: Reconciliation, *, actor: str, now: datetime) -> None:
    """Note who answers for posting the corrections of a kept file. Who did first, stays. Raises Conflict for one that is posted."""
    if row.posted_at:
        raise Conflict("The corrections of this file are posted already.", code="already_posted")
    if row.approved_at is None:
        row.approved_by, row.approved_at = actor[:200], now
        row.save(update_fields=["approved_by", "approved_at"])


def post_corrections(row: Reconciliation, *, catalog: Catalog, now: datetime, most_lines: int | None = None) -> list[str]:
    """Post the corrections of an approved file, and return what became of those that were not posted. Posting again posts what is missing.

    The corrections are worked out anew from the book as it is: what was posted by then needs none any more.
    """
    refused: list[str] = []
    for _ in range(ROUNDS):
        comparison = compare_with_book(groups_of(row), catalog=catalog, most_lines=most_lines)
        wanted = [_adjustment(target, row=row, kinds=gap.kinds) for gap in comparison.gaps for target in gap.targets]
        statuses = post_adjustments(dsn=database_dsn(), adjustments=wanted)
        refused = [status for status in statuses if status not in ("posted", "again")]
        if not refused:
            row.posted_at = now
            break
    entries = CostEntry.objects.filter(reference__startswith=f"{_reference(row)} ", booked_at__gte=row.created_at)
    row.adjusted_nusd = int(entries.aggregate(total=Sum("amount_nusd"))["total"] or 0)
    row.save(update_fields=["posted_at", "adjusted_nusd"])
    return refused


def _take_down(row: Reconciliation, comparison: Comparison) -> None:
    row.provider_nusd = sum(gap.provider_nusd for gap in comparison.gaps)
    row.booked_nusd = sum(gap.booked_nusd for gap in comparison.gaps)
    row.summary = comparison.summary()
    row.gaps = [_as_json(gap) for gap in comparison.gaps if gap.kinds != ("equal",)][:MOST_GAPS_KEPT]


def _as_json(gap: Gap) -> dict[str, Any]:
    return {
        "day": gap.day.isoformat(), "model": gap.model, "user": gap.user, "kinds": list(gap.kinds), "words": gap.words,
        "provider": msgspec.structs.asdict(gap.provider), "book": msgspec.structs.asdict(gap.book), "provider_nusd": gap.provider_nusd,
        "booked_nusd": gap.booked_nusd, "difference_nusd": gap.difference_nusd, "adjustments": len(gap.targets), "adjusting_nusd": gap.adjusted_nusd,
    }  # fmt: skip


def _adjustment(target: Target, *, row: Reconciliation, kinds: Iterable[str]) -> Adjustment:
    line, tokens = target.line, msgspec.convert(target.tokens, dict[str, Any])
    return Adjustment(
        tenant=current_tenant_id(), reservation=line.reservation_id, leg=line.leg, attempt=line.attempt, amount=target.difference_nusd,
        actor=row.approved_by, reason=f"usage file of {row.provider}, {row.first_day} to {row.last_day}: {', '.join(kinds)}",
        reference=f"{_reference(row)} after {line.newest.id}", after=line.newest.id, price_version=target.price_version, **tokens,
    )  # fmt: skip


def _reference(row: Reconciliation) -> str:
    return f"reconciliation {row.id}"


def is_id(text: str) -> bool:
    """Is it the id of an end user, as we tell it to providers?"""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
