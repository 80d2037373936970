"""manage.py reconcile: a provider's usage file beside the book, and the corrections of what was a guess. docs/guides/reconciling.md tells how."""

import getpass
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.engine.money import to_usd
from billing.engine.reconciling import KINDS, Gap
from billing.engine.usage_files import InvalidUsageFile, UsageFile, read_usage
from billing.management.questions import confirmed, tenant_named
from billing.models import Reconciliation
from billing.reconciling import Comparison, approve, is_id, keep, post_corrections
from cascade.catalog import catalog_of
from tenants.errors import Conflict
from tenants.models import EndUser, Tenant
from tenants.scoping import tenant_scope

WRONG_FILE = 2


class Command(BaseCommand):
    help = (
        "Compares a provider's usage file with the book, per day, model and user, says what kind of gap each is, and corrects the entries that were "
        "a guess of ours until the sums are the provider's. What the provider reported itself is never touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="usage.csv: an invoice of upstream's form, or OpenAI's usage export grouped by model")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--provider", required=True, metavar="CONNECTION", help="the tenant's name of the connection that the file is about")
        parser.add_argument("--by", default="", metavar="NAME", help="who answers for it (default: you, by your login name)")
        parser.add_argument("--yes", action="store_true", help="post the corrections without asking")

    def handle(self, *, file: Path, tenant: str, provider: str, by: str, yes: bool, **_: Any) -> None:
        usage, digest = read(file)
        owner, actor = tenant_named(tenant), by or getpass.getuser()
        try:
            with tenant_scope(owner.pk):
                row, comparison = keep(usage, catalog=catalog_of(provider), digest=digest, file_name=file.name, actor=actor)
                if comparison is not None:
                    self._show(usage, comparison)
        except Conflict as wrong:
            raise CommandError(wrong.message) from wrong
        if comparison is None:
            self.stdout.write(f"= this file was posted on {row.posted_at:%Y-%m-%d %H:%M} UTC by {row.approved_by}: {_sum(row)}. Nothing is done.")
            return
        if comparison.targets and not yes and not self._confirmed(row, comparison):
            raise CommandError("Nothing was posted. The comparison is kept: GET /api/v1/reconciliations/ shows it.")
        self._post(row, owner=owner, provider=provider, actor=actor)

    def _confirmed(self, row: Reconciliation, comparison: Comparison) -> bool:
        begun = " the rest of" if row.approved_at else ""
        adjusting = to_usd(comparison.summary()["adjusting_nusd"])
        return confirmed(f"Post{begun} {len(comparison.targets)} corrections of {adjusting} USD in all?")

    def _show(self, usage: UsageFile, comparison: Comparison) -> None:
        first, last = usage.days
        self.stdout.write(f"{usage.format}, {usage.lines} lines, {first} to {last} (UTC)")
        if last >= timezone.now().date():
            self.stdout.write(f"{last} is not over yet: calls may be missing from the file.")
        if not comparison.names_users:
            self.stdout.write("The file does not name end users of ours: matched by day and model.")
        names = user_names(gap.user for gap in comparison.gaps)
        for gap in comparison.gaps:
            if gap.kinds != ("equal",):
                self.stdout.write(_line(gap, names))
        summary = comparison.summary()
        self.stdout.write(
            f"{summary['groups']} groups, {summary['kinds'].get('equal', 0)} equal; "
            f"provider {to_usd(sum(gap.provider_nusd for gap in comparison.gaps))}, "
            f"booked {to_usd(sum(gap.booked_nusd for gap in comparison.gaps))} USD"
        )
        for kind in sorted(summary["kinds"].keys() - {"equal"}):
            self.stdout.write(f"  {kind}: {KINDS[kind]}")

    def _post(self, row: Reconciliation, *, owner: Tenant, provider: str, actor: str) -> None:
        with tenant_scope(owner.pk):
            approve(row, actor=actor, now=timezone.now())
        with tenant_scope(owner.pk):
            refused = post_corrections(row, catalog=catalog_of(provider), now=timezone.now())
        if refused:
            why = ", ".join(sorted(set(refused)))
            raise CommandError(f"{len(refused)} corrections could not be posted ({why}). Run it again with the same file.")
        self.stdout.write(f"Posted: {_sum(row)}.")


def read(file: Path) -> tuple[UsageFile, str]:
    """Return what the file says, and its SHA-256. Raises CommandError that lists every wrong line."""
    try:
        with file.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        with file.open(encoding="utf-8", newline="") as lines:
            return read_usage(lines), digest
    except OSError as wrong:
        raise CommandError(f"{file} cannot be read: {wrong.strerror}", returncode=WRONG_FILE) from wrong
    except InvalidUsageFile as wrong:
        listed = "\n".join(f"  {file.name}: {problem}" for problem in wrong.problems)
        raise CommandError(f"nothing was changed, the file cannot be used:\n{listed}", returncode=WRONG_FILE) from wrong


def user_names(ids: Iterable[str]) -> dict[str, str]:
    """Return the tenant's own names of end users, by our ids."""
    wanted = {identity for identity in ids if is_id(identity)}
    return {str(user.pk): user.external_id for user in EndUser.objects.filter(pk__in=wanted)}


def _line(gap: Gap, names: dict[str, str]) -> str:
    whose = f" {names.get(gap.user, gap.user)}" if gap.user else ""
    adjusting = f", adjusting {len(gap.targets)} by {to_usd(gap.adjusted_nusd)}" if gap.targets else ""
    return (
        f"{gap.day} {gap.model}{whose}: {gap.provider.requests} billed, {gap.book.requests} booked; provider {to_usd(gap.provider_nusd)}, "
        f"booked {to_usd(gap.booked_nusd)}, difference {to_usd(gap.difference_nusd)} USD{adjusting} [{', '.join(gap.kinds)}]"
    )


def _sum(row: Reconciliation) -> str:
    return f"{to_usd(row.adjusted_nusd)} USD of corrections"
