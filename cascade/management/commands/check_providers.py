"""manage.py check_providers: does each connection work? docs/guides/providers.md tells what it does and costs."""

from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.questions import tenant_named
from cascade.models import ProviderConnection
from cascade.provider_checks import ConnectionCheck, check_connection
from cascade.runtime import borrowed
from tenants.authentication import caller_without_key
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope


class Command(BaseCommand):
    help = (
        "Makes one tiny call by each provider connection, booked under the tag provider-check, and says what works and what to do where it does "
        "not. Exits 1 if any fails."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="this tenant's connections alone (default: every active tenant's)")
        parser.add_argument("--connection", metavar="NAME", help="this one alone, by the tenant's name of it (default: all that are switched on)")

    def handle(self, *, tenant: str | None, connection: str | None, **_: Any) -> None:
        wanted = [(owner, row) for owner in owners(tenant) for row in rows_of(owner, connection)]
        if not wanted:
            raise CommandError(f"There is no connection called {connection!r}." if connection else "There is no connection to check.")
        failed = 0
        for owner, found in async_to_sync(check_all)(wanted):
            self.stdout.write(f"{owner.slug}: {line(found)}")
            for warning in found.warnings:
                self.stdout.write(f"{owner.slug}: warn {found.connection}: {warning}")
            failed += not found.ok
        if failed:
            raise CommandError(f"{failed} of {len(wanted)} connections do not work.")


def owners(slug: str | None) -> Sequence[Tenant]:
    if slug:
        return [tenant_named(slug)]
    with platform_scope():
        return list(Tenant.objects.filter(is_active=True))


def rows_of(owner: Tenant, name: str | None) -> Sequence[ProviderConnection]:
    with tenant_scope(owner.pk):
        return list(ProviderConnection.objects.filter(**({"name": name} if name else {"is_active": True})))


async def check_all(wanted: Sequence[tuple[Tenant, ProviderConnection]]) -> Sequence[tuple[Tenant, ConnectionCheck]]:
    """One after the other: a check is no load test."""
    async with borrowed() as runtime:
        return [
            (owner, await check_connection(
                runtime=runtime, caller=caller_without_key(owner), connection=row.name, provider=row.provider, now=timezone.now()
            ))
            for owner, row in wanted
        ]  # fmt: skip


def line(found: ConnectionCheck) -> str:
    head = f"{'ok  ' if found.ok else 'FAIL'} {found.connection} ({found.provider}{f', {found.model}' if found.model else ''})"
    if found.ok:
        usage = "reports usage" if found.reports_usage else "reports NO usage"
        return f"{head}: answered in {found.latency_ms:.0f} ms, {usage}, cost {found.cost} USD" + (f". {found.advice}" if found.advice else "")
    words = {True: "yes", False: "NO", None: "not known"}
    facts = ", ".join(
        f"{name} {words[value]}"
        for name, value in (("reachable", found.reachable), ("key accepted", found.key_accepted), ("model known", found.model_known))
    )
    return f"{head}: {facts}. {(found.problem or '').rstrip('.')}. {found.advice}"
