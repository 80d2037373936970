"""The Celery application: what runs when. Without CELERY_BROKER_URL the broker is a folder under var/."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")

from django.conf import settings

from cascadeflow_site.embedded import VAR

app = Celery("cascadeflow")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    timezone="UTC",
    beat_schedule_filename=str(VAR / "celery" / "beat"),
    beat_schedule={
        "sweep": {"task": "billing.sweep", "schedule": float(settings.SWEEP_SECONDS)},
        "forget idempotency keys": {"task": "billing.forget_keys", "schedule": 600.0},
        "forget full rate limits": {"task": "billing.forget_rates", "schedule": 3600.0},
        "prepare partitions": {"task": "billing.prepare_partitions", "schedule": 6 * 3600.0},
        "deliver alerts": {"task": "billing.deliver_alerts", "schedule": 15.0},
        "forget old alerts": {"task": "billing.forget_alerts", "schedule": 6 * 3600.0},
        "watch the ledger": {"task": "billing.watch_ledger", "schedule": 60.0},
        "watch the whole ledger": {"task": "billing.watch_whole_ledger", "schedule": 6 * 3600.0},
        "watch tenants": {"task": "cascade.watch_tenants", "schedule": 60.0},
    },
)
if settings.CELERY_BROKER_URL.startswith("filesystem"):
    folders = {name: VAR / "celery" / name for name in ("queue", "control", "processed")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    app.conf.broker_transport_options = {
        "data_folder_in": str(folders["queue"]), "data_folder_out": str(folders["queue"]), "control_folder": str(folders["control"]),
    }  # fmt: skip
app.autodiscover_tasks(["billing", "cascade"])
