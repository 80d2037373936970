"""Shows how the work outside requests stands, or does some of it now."""

import sys
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from billing.jobs import JOBS, is_late, run_job
from billing.models import JobStanding


class Command(BaseCommand):
    help = "Show each job of the worker: when it ran last, how long it took, what it did or why it failed. Exits 1 while one is late."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", metavar="NAME", help="run this job now, whether it is due or not; the worker is not needed")

    def handle(self, *args: Any, **options: Any) -> None:
        autodiscover_modules("tasks")
        if options["run"]:
            self._run(options["run"])
        elif self._show(now=timezone.now()):
            sys.exit(1)

    def _run(self, name: str) -> None:
        if name not in JOBS:
            raise CommandError(f"No job is called {name!r}. There are: {', '.join(sorted(JOBS))}.")
        if not run_job(JOBS[name], now=timezone.now(), rest=timedelta(0)):
            raise CommandError(f"{name} is being run by a worker right now.")
        self.stdout.write(f"{name}: {JobStanding.objects.get(pk=name).result}")

    def _show(self, *, now: datetime) -> bool:
        standings = JobStanding.objects.in_bulk()
        any_late = False
        for name in sorted(JOBS):
            standing = standings.get(name)
            late = standing is None or is_late(standing, now=now)
            any_late |= late
            self.stdout.write(f"{name:28} {'LATE' if late else 'ok':5} {_told(standing, now=now)}")
        return any_late


def _told(standing: JobStanding | None, *, now: datetime) -> str:
    if standing is None or standing.started_at is None:
        return "never ran: is a worker running? `make run` starts one"
    ran = f"ran {(now - standing.started_at).total_seconds():.0f} s ago"
    took = f", took {standing.took_ms} ms" if standing.took_ms is not None else ""
    failed_last = standing.failed_at and (standing.succeeded_at is None or standing.failed_at > standing.succeeded_at)
    return f"{ran}{took}: {standing.failure if failed_last else standing.result}"
