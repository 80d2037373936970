"""Correcting a price that was wrong: the effect first, then adjustment entries, never an edit."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from billing.engine.lines import BY_PRICE
from billing.engine.money import to_usd
from billing.engine.pricing import Price
from billing.engine.repricing import Effect, Repriced, reprice
from billing.housekeeping import database_dsn
from billing.ledger import Adjustment, post_adjustments
from billing.lines import Position, page_of_lines
from billing.models import ModelPrice, PlatformPrice
from billing.pricebook import Place, PriceBook, price_of
from tenants.audit import record
from tenants.scoping import current_tenant_id

PAGE = 500


class Sheet(Struct, frozen=True, kw_only=True):
    """A page of a model's lines at the prices in force, and where the next one begins."""

    found: Sequence[Repriced]
    next: Position | None


class Posted(Struct, frozen=True, kw_only=True):
    """What became of a page: how many corrections were posted and what they sum to; how many lines had changed meanwhile."""

    effect: Effect
    read: int
    posted: int
    posted_nusd: int
    changed: int
    next: Position | None


class Repricing(Struct, frozen=True, kw_only=True):
    """Which lines of a model are to be priced anew, and by which book. Use it in the tenant's scope."""

    model: str
    since: datetime
    until: datetime | None = None
    book: PriceBook
    place: Place | None = None

    def sheet(self, *, limit: int, after: Position | None = None) -> Sheet:
        """Read one page of lines and price them anew. Each has the price that was in force when its hold was taken."""
        page = page_of_lines(model=self.model, since=self.since, until=self.until, after=after, limit=limit)
        first = prices_by_version({line.first.price_version for line in page.lines if line.first.kind == "assumed"})
        found = [
            reprice(line, price=self.book.at(line.occurred_at, model=self.model, place=self.place), first_price=first.get(line.first.price_version))
            for line in page.lines
        ]
        return Sheet(found=found, next=page.next)

    def preview(self, *, most: int | None = None) -> Effect:
        """Return what posting would do, of the first `most` lines where that is given. Changes nothing."""
        effect = Effect.nothing()
        for sheet in self._sheets(most=most):
            effect.add(sheet.found)
            effect.is_complete = sheet.next is None
        return effect

    def post(self, *, actor: str, reason: str, after: Position | None = None) -> Posted:
        """Post the corrections of one page, each hundred of them durable at once. Go on with `next` until it is None.

        Posting again, after a crash or at the same time, posts what is missing and nothing twice: a line that has its price is left alone.
        """
        sheet = self.sheet(limit=PAGE, after=after)
        effect = Effect.nothing()
        effect.add(sheet.found)
        wanted = [_adjustment(each, actor=actor, reason=reason) for each in sheet.found if each.difference_nusd]
        statuses = post_adjustments(dsn=database_dsn(), adjustments=wanted)
        done = [adjustment.amount for adjustment, status in zip(wanted, statuses, strict=True) if status == "posted"]
        if done:
            told = {"entries": (None, len(done)), "adjusted": (None, to_usd(sum(done))), "reason": (None, reason)}
            record(action="repriced", object_type="model", object_id=self.model[:64], object_name=self.model, changes=told)
        return Posted(effect=effect, read=len(sheet.found), posted=len(done), posted_nusd=sum(done), changed=len(wanted) - len(done), next=sheet.next)

    def post_pages(self, *, actor: str, reason: str, after: Position | None = None, most: int) -> Sequence[Posted]:
        """Post page after page until about `most` lines were read or none is left: what one request bears. The last page says where to go on."""
        pages = [self.post(actor=actor, reason=reason, after=after)]
        while pages[-1].next is not None and sum(page.read for page in pages) < most:
            pages.append(self.post(actor=actor, reason=reason, after=pages[-1].next))
        return pages

    def _sheets(self, *, most: int | None) -> Iterator[Sheet]:
        after: Position | None = None
        left = most
        while left is None or left > 0:
            sheet = self.sheet(after=after, limit=PAGE if left is None else min(PAGE, left))
            yield sheet
            if sheet.next is None:
                return
            after, left = sheet.next, None if left is None else left - len(sheet.found)


def to_version(version: ModelPrice) -> Repricing:
    """Return the re-pricing of the time in which a version of the tenant's own book is in force."""
    return Repricing(model=version.model, since=version.valid_from, until=version.valid_to, book=PriceBook(own=[version]))


def prices_by_version(versions: set[str]) -> dict[str, Price]:
    """Return the versions that are known by these ids, as entries name them: the scope's own and the platform's."""
    ids = [identity for version in versions if (identity := _uuid(version))]
    rows = [*ModelPrice.objects.filter(id__in=ids), *PlatformPrice.objects.filter(id__in=ids)] if ids else []
    return {str(row.id): price_of(row) for row in rows}


def _adjustment(each: Repriced, *, actor: str, reason: str) -> Adjustment:
    assert each.price is not None
    line, version = each.line, each.price.version
    return Adjustment(
        tenant=current_tenant_id(), reservation=line.reservation_id, leg=line.leg, attempt=line.attempt, amount=each.difference_nusd,
        price_version=version, actor=actor, reason=reason, reference=f"{BY_PRICE}{version} after {line.newest.id}", after=line.newest.id,
    )  # fmt: skip


def _uuid(text: str) -> UUID | None:
    try:
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        return None
