"""Listens to the ledger's upkeep, in whatever process it is done, for the page of Prometheus. Imported where there is one."""

from typing import Any

from django.dispatch import receiver

from billing.signals import ledger_checked, swept
from cascade.telemetry.process import page


@receiver(swept)
def show_sweep(*, closed: int, **_: Any) -> None:
    shown = page()
    if shown is not None:
        shown.show_sweep(closed=closed)


@receiver(ledger_checked)
def show_ledger_check(*, broken: int, **_: Any) -> None:
    shown = page()
    if shown is not None:
        shown.show_ledger_check(broken=broken)
