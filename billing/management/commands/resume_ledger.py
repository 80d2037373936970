"""Shows whether the ledger was restored from a backup, and lets budgets that block admit again once somebody answers for it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.housekeeping import resume_ledger, rewound_since


class Command(BaseCommand):
    help = (
        "After a restore from a backup the ledger has forgotten spend, so budgets that block refuse (503). Reconcile with the providers' usage "
        "files, or accept the gap, and then resume: --by and --reason are kept. Without them, shows how it stands."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", metavar="NAME", help="who answers for it")
        parser.add_argument("--reason", metavar="TEXT", help="what was done about the forgotten spend")

    def handle(self, *args: Any, **options: Any) -> None:
        since = rewound_since()
        if since is None:
            self.stdout.write("The ledger is whole: nothing is to be resumed.")
            return
        if not (options["by"] and options["reason"]):
            raise CommandError(
                f"The ledger was found to be restored from a backup at {since:%Y-%m-%d %H:%M:%S} UTC. Spend after the backup is forgotten. "
                "Reconcile it, then run: manage.py resume_ledger --by NAME --reason TEXT"
            )
        resume_ledger(actor=options["by"], reason=options["reason"])
        self.stdout.write("Resumed: budgets that block admit calls again.")
