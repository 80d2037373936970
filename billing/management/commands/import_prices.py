"""manage.py import_prices: the platform's prices from LiteLLM's bundled map, after showing what changes. docs/guides/prices.md has the rules."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.questions import confirmed, day
from billing.price_import import ImportPlan, UnknownName, apply_import, plan_import, read_bundled_map


class Command(BaseCommand):
    help = "Imports prices from LiteLLM's bundled map, for models without a price of their tenant's own. Shows what changes first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--provider", action="append", default=[], metavar="SLUG", help="this provider alone; may be repeated")
        parser.add_argument("--model", action="append", default=[], metavar="NAME", help="this model alone, by the provider's name; may be repeated")
        parser.add_argument("--valid-from", type=day, metavar="DATE", help="from the start of this day on, in UTC (default: from now on)")
        parser.add_argument("--yes", action="store_true", help="apply without asking")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")

    def handle(self, *, provider: list[str], model: list[str], valid_from: datetime | None, yes: bool, dry_run: bool, **_: Any) -> None:
        now = timezone.now()
        start = valid_from or now
        try:
            plan = plan_import(read_bundled_map(), providers=provider, models=model, valid_from=start, today=now.date().isoformat())
        except (UnknownName, FileNotFoundError) as wrong:
            raise CommandError(str(wrong)) from wrong
        self._show(plan)
        if dry_run or not plan.changes:
            self.stdout.write("This was a dry run: nothing was changed." if plan.changes else "= nothing to change")
            return
        if not yes and not confirmed(f"Apply {len(plan.changes)} changes from {start:%Y-%m-%d %H:%M} UTC on?"):
            raise CommandError("Nothing was changed.")
        if not apply_import(plan, valid_from=start):
            raise CommandError("The price book was changed meanwhile, so nothing was written. Run it again and look at what changes now.")
        self.stdout.write(f"Applied {len(plan.changes)} changes. Tenants' calls use them within a second or two.")
        if start < now:
            self.stdout.write("Calls since then keep what was booked: 'manage.py reprice' shows the difference and posts it, tenant by tenant.")

    def _show(self, plan: ImportPlan) -> None:
        """USD per million tokens."""
        for change in plan.changes:
            self.stdout.write(str(change))
        for entry in plan.skipped:
            self.stdout.write(f"! {entry.provider} {entry.model}: skipped, {entry.objection}")
        for name in plan.gone:
            self.stdout.write(f"? {name}: not in the map any more; its price stays")
        new, drops = sum(change.old is None for change in plan.changes), sum(change.drops for change in plan.changes)
        self.stdout.write(
            f"{plan.source}, USD per million tokens: {new} new, {len(plan.changes) - new} changed ({drops} drop by more than 20 %), "
            f"{plan.unchanged} unchanged, {len(plan.skipped)} skipped"
        )
