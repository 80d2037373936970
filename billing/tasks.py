"""Work outside requests. Every task is an idempotent sweep over rows: losing a message loses nothing."""

from celery import shared_task

from billing.housekeeping import forget_full_rates, forget_old_keys, prepare_partitions, sweep_now


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
