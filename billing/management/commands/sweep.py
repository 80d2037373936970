"""Closes holds whose owner is gone. The worker does it all the time; this is for people."""

from typing import Any

from django.core.management.base import BaseCommand

from billing.housekeeping import sweep_now


class Command(BaseCommand):
    help = "Close every hold that expired, or whose process on this machine is gone, at its bound. Safe to run any time."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"sweep: closed {sweep_now()} holds")
