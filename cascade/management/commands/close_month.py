"""manage.py close_month: closes a tenant's month, or opens the last closed one again. docs/guides/finance.md tells what closing means."""

import getpass
from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.closing import OBSTACLES, close_month, reopen_month
from billing.engine.money import to_usd
from billing.management.questions import tenant_named
from cascade.catalog import names_of_models
from tenants.errors import Conflict
from tenants.models import Membership, Role, Tenant
from tenants.scoping import tenant_scope


class Command(BaseCommand):
    help = (
        "Closes a month: its sums stand from then on, its exports are the same to the byte, and a chain of hashes commits to each of its entries. "
        "What is learnt later is booked in the open month. Months are closed one after the other; any may be the first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--month", required=True, type=month, metavar="YYYY-MM")
        parser.add_argument("--by", default="", metavar="NAME", help="who answers for it (default: you, by your login name)")
        parser.add_argument("--reason", default="", metavar="TEXT", help="kept with the close")
        parser.add_argument("--accept", nargs="+", default=[], choices=OBSTACLES, help="close it although holds are open, or calls have no price")
        parser.add_argument("--reopen", action="store_true", help="open the month that was closed last again; needs --owner and --reason")
        parser.add_argument("--owner", default="", metavar="EMAIL", help="the owner of the tenant who wants it opened again")

    def handle(self, *, tenant: str, month: date, reopen: bool, **options: Any) -> None:
        owner = tenant_named(tenant)
        try:
            if reopen:
                self._reopen(owner, month, email=options["owner"], reason=options["reason"])
            else:
                self._close(owner, month, by=options["by"] or getpass.getuser(), reason=options["reason"], accept=options["accept"])
        except Conflict as wrong:
            raise CommandError(wrong.message) from wrong

    def _close(self, tenant: Tenant, month: date, *, by: str, reason: str, accept: list[str]) -> None:
        with tenant_scope(tenant.pk):
            close = close_month(
                month=month, actor=by, reason=reason, in_spite_of=accept, now=timezone.now(), catalog=names_of_models()
            )
        self.stdout.write(
            f"{close} of {tenant.slug} is closed: {close.entries:,} entries, opening {to_usd(close.opening_nusd)}, usage {to_usd(close.usage_nusd)}, "
            f"adjustments {to_usd(close.adjustments_nusd)}, closing {to_usd(close.closing_nusd)} USD"
        )
        self.stdout.write(f"hash {bytes(close.hash).hex()}")

    def _reopen(self, tenant: Tenant, month: date, *, email: str, reason: str) -> None:
        with tenant_scope(tenant.pk):
            is_owner = Membership.objects.filter(user__email=email.lower(), role=Role.OWNER).exists()
            close = reopen_month(month=month, actor=email, role=Role.OWNER if is_owner else "", reason=reason)
        self.stdout.write(f"{close} of {tenant.slug} is open again.")


def month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as wrong:
        raise ArgumentTypeError(f"{text!r} is not a month: write it as 2026-10") from wrong
