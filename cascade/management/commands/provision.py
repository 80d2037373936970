"""manage.py provision FILE.yaml: make the database say what the file says. docs/guides/provisioning.md tells the form."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cascade.provisioning import InvalidFile, provision

WRONG_FILE = 2


class Command(BaseCommand):
    help = "Makes tenants, providers, models, prices, tiers, presets, budgets and keys as a YAML file says. Running it again is safe."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the YAML file")
        parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")

    def handle(self, *, file: Path, dry_run: bool, **_: Any) -> None:
        try:
            changes = provision(text=file.read_text(encoding="utf-8"), environment=os.environ, now=timezone.now(), dry_run=dry_run)
        except InvalidFile as wrong:
            listed = "\n".join(f"  {file.name}: {problem}" for problem in wrong.problems)
            raise CommandError(f"nothing was changed, the file has errors:\n{listed}", returncode=WRONG_FILE) from wrong
        except OSError as wrong:
            raise CommandError(f"{file} cannot be read: {wrong.strerror}", returncode=WRONG_FILE) from wrong
        except UnicodeDecodeError as wrong:
            raise CommandError(f"{file} is not UTF-8 text", returncode=WRONG_FILE) from wrong
        for change in changes:
            self.stdout.write(str(change))
        if not changes:
            self.stdout.write("= nothing to change")
        if dry_run and changes:
            self.stdout.write("This was a dry run: nothing was changed.")
