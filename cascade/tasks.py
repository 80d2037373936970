"""Work outside requests. Every task is an idempotent sweep over rows: losing a message loses nothing."""

from celery import shared_task
from django.utils import timezone

from cascade.alarms import watch_tenants


@shared_task(name="cascade.watch_tenants", ignore_result=True, time_limit=300, expires=60)
def watch_tenants_task() -> int:
    return watch_tenants(now=timezone.now())
