"""manage.py verify_close: reads the closed months again, and exits 1 where an entry is not as it was when its month was closed."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.closing import verify_closes
from billing.management.questions import tenant_named
from billing.models import CloseOfMonth
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope


class Command(BaseCommand):
    help = (
        "Checks the chain of hashes over every closed month, and names each entry that was changed, removed or put in since. Whoever can rewrite the "
        "database can rewrite the chain from some month on: so compare the last hash with one that you keep elsewhere (--expect)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="(default: every tenant)")
        parser.add_argument("--expect", metavar="HASH", help="a hash that one of the tenant's closes must have, from a manifest")

    def handle(self, *, tenant: str | None, expect: str | None, **_: Any) -> None:
        found = 0
        for each in [tenant_named(tenant)] if tenant else _all_tenants():
            with tenant_scope(each.pk):
                found += self._verify(each, expect=expect)
        if found:
            sys.exit(1)

    def _verify(self, tenant: Tenant, *, expect: str | None) -> int:
        found = 0
        for tampered in verify_closes():
            found += 1
            entry = f": {tampered.entry}" if tampered.entry else ""
            self.stderr.write(f"{tenant.slug} {tampered.month:%Y-%m}: {tampered.what}{entry}")
        closes = list(CloseOfMonth.objects.filter(reopened_at=None))
        if expect and expect not in {bytes(close.hash).hex() for close in closes}:
            found += 1
            self.stderr.write(f"{tenant.slug}: no closed month has the hash {expect}")
        last = f", the last is {closes[0]} with the hash {bytes(closes[0].hash).hex()}" if closes else ""
        self.stdout.write(f"verify_close: {tenant.slug}: {len(closes)} closed months{last}: {found} differences")
        return found


def _all_tenants() -> list[Tenant]:
    with platform_scope():
        return list(Tenant.objects.order_by("slug"))
