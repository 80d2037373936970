"""manage.py demo: what `make run` calls so that there is a tenant to look at. Its way in is kept in var/demo.json, for you alone."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cascade.provisioning import InvalidFile
from cascade.provisioning.demo import set_up
from cascadeflow_site import embedded


class Command(BaseCommand):
    help = "Makes the demo tenant, or brings it up to date: on the simulated provider, or on those whose keys the environment has."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the site answers (default: %(default)s)")
        parser.add_argument("--file", type=Path, default=embedded.VAR / "demo.json", help="where the way in is kept (default: var/demo.json)")

    def handle(self, *, url: str, file: Path, **_: Any) -> None:
        known = read(file)
        passphrase = secrets.token_urlsafe(15)
        try:
            demo, changes = set_up(known=known, url=url.rstrip("/"), environment=os.environ, passphrase=passphrase, now=timezone.now())
        except InvalidFile as wrong:
            raise CommandError("\n".join(problem.message for problem in wrong.problems)) from wrong
        told = msgspec.to_builtins(demo)
        if told != known:
            write(file, told)
        for change in changes:
            self.stdout.write(str(change))


def read(file: Path) -> dict[str, Any]:
    """What is known of the demo; nothing where the file is absent or damaged."""
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write(file: Path, told: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner alone from the first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(json.dumps(told, indent=2) + "\n")
    temporary.replace(file)
