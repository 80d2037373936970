"""manage.py reprice: what a model's calls would have cost at the prices of the book as it is now, and the adjustments that lead there."""

import getpass
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.engine.money import to_usd
from billing.engine.repricing import Effect
from billing.management.questions import confirmed, day, tenant_named
from billing.pricebook import read_book
from billing.repricing import Repricing
from cascade.models import CatalogModel
from tenants.models import Tenant
from tenants.scoping import tenant_scope


class Command(BaseCommand):
    help = (
        "Prices a model's calls anew by the price book as it is now: shows per day what is booked and what it comes to, and posts the difference "
        "as adjustment entries. What is booked is never edited, and running it again posts nothing twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--model", required=True, metavar="NAME", help="the tenant's name of the model")
        parser.add_argument("--since", type=day, metavar="DATE", help="from this day on, in UTC (default: since the price in force now holds)")
        parser.add_argument("--reason", default="", metavar="TEXT", help="stands with each adjustment")
        parser.add_argument("--by", default="", metavar="NAME", help="who answers for it (default: you, by your login name)")
        parser.add_argument("--yes", action="store_true", help="post without asking")

    def handle(self, *, tenant: str, model: str, since: datetime | None, reason: str, by: str, yes: bool, **_: Any) -> None:
        owner = tenant_named(tenant)
        with tenant_scope(owner.pk):
            repricing = _repricing(model, since=since, now=timezone.now())
            effect = repricing.preview()
        self._show(effect, since=repricing.since)
        total = effect.total
        if not total["differing"]:
            self.stdout.write("= nothing to adjust")
            return
        if not yes and not confirmed(f"Post {total['differing']} adjustments of {to_usd(total['difference_nusd'])} USD in all?"):
            raise CommandError("Nothing was changed.")
        self._post(repricing, owner=owner, actor=by or getpass.getuser(), reason=reason or f"{model} priced anew by the price book")

    def _show(self, effect: Effect, *, since: datetime) -> None:
        for each in sorted(effect.days.values(), key=lambda each: each.day):
            self.stdout.write(
                f"{each.day} {each.model}: {each.lines} calls, booked {to_usd(each.booked_nusd)}, re-priced {to_usd(each.repriced_nusd)}, "
                f"difference {to_usd(each.difference_nusd)} USD"
            )
        for why, count in effect.left.items():
            self.stdout.write(f"left alone: {count} calls, {why}")
        total = effect.total
        self.stdout.write(
            f"since {since:%Y-%m-%d %H:%M} UTC: {total['lines']} calls, booked {to_usd(total['booked_nusd'])}, re-priced "
            f"{to_usd(total['repriced_nusd'])}, difference {to_usd(total['difference_nusd'])} USD"
        )

    def _post(self, repricing: Repricing, *, owner: Tenant, actor: str, reason: str) -> None:
        after, read, posted, adjusted, changed = None, 0, 0, 0, 0
        while True:
            with tenant_scope(owner.pk):
                page = repricing.post(actor=actor, reason=reason, after=after)
            read, posted, adjusted, changed = read + page.read, posted + page.posted, adjusted + page.posted_nusd, changed + page.changed
            after = page.next
            if after is None:
                break
            self.stdout.write(f"... {read} calls read, {posted} adjustments posted")
        self.stdout.write(f"Posted {posted} adjustments of {to_usd(adjusted)} USD in all.")
        if changed:
            self.stdout.write(f"{changed} calls were booked on meanwhile: run it again for them.")


def _repricing(model: str, *, since: datetime | None, now: datetime) -> Repricing:
    """Raises CommandError where there is no price to go by."""
    row = CatalogModel.objects.select_related("connection").filter(name=model).first()
    place = row.place if row else None
    book = read_book([place] if place else [])
    in_force = book.version_at(now, model=model, place=place)
    start = since or (in_force.valid_from if in_force else None)
    if start is None:
        raise CommandError(f"{model!r} has no price in force, neither the tenant's nor the platform's: give it one first, or say --since")
    return Repricing(model=model, since=start, book=book, place=place)
