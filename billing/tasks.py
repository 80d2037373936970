"""Work outside requests. Every task is an idempotent sweep over rows: losing a message loses nothing."""

from celery import shared_task
from django.utils import timezone

from billing.alerting.delivering import deliver_alerts
from billing.housekeeping import forget_full_rates, forget_old_alerts, forget_old_keys, prepare_partitions, sweep_now
from billing.watching import watch_ledger


@shared_task(name="billing.sweep", ignore_result=True, time_limit=120, expires=60)
def sweep_task() -> int:
    return sweep_now()


@shared_task(name="billing.prepare_partitions", ignore_result=True, time_limit=120, expires=3600)
def prepare_partitions_task() -> int:
    return prepare_partitions()


@shared_task(name="billing.forget_keys", ignore_result=True, time_limit=120, expires=3600)
def forget_keys_task() -> int:
    return forget_old_keys()


@shared_task(name="billing.forget_rates", ignore_result=True, time_limit=120, expires=3600)
def forget_rates_task() -> int:
    return forget_full_rates()


@shared_task(name="billing.deliver_alerts", ignore_result=True, time_limit=120, expires=60)
def deliver_alerts_task() -> int:
    return deliver_alerts(clock=timezone.now)


@shared_task(name="billing.forget_alerts", ignore_result=True, time_limit=300, expires=3600)
def forget_alerts_task() -> int:
    return forget_old_alerts(now=timezone.now())


@shared_task(name="billing.watch_ledger", ignore_result=True, time_limit=120, expires=60)
def watch_ledger_task() -> int:
    return watch_ledger(now=timezone.now(), is_whole=False)


@shared_task(name="billing.watch_whole_ledger", ignore_result=True, time_limit=3600, expires=3600)
def watch_whole_ledger_task() -> int:
    return watch_ledger(now=timezone.now(), is_whole=True)
