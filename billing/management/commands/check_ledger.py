"""Checks the ledger's invariants; exits 1 and lists each break when one does not hold."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing.invariants import INVARIANTS, check, sizes


class Command(BaseCommand):
    help = "Check that the ledger is whole: windows equal entries and holds, caps kept, one terminal entry a hold, one tenant along every row."

    def handle(self, *args: Any, **options: Any) -> None:
        found = check()
        for broken in found:
            where = f"tenant {broken.tenant_id}, {', '.join(map(str, broken.row))}"
            self.stderr.write(f"{broken.invariant.name}: {broken.invariant.meaning}, but not here: {where}")
        counted = ", ".join(f"{count:,} {name}" for name, count in sizes().items())
        self.stdout.write(f"check_ledger: {len(INVARIANTS)} invariants over {counted}: {len(found)} breaks")
        if found:
            sys.exit(1)
