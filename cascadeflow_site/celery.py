"""The Celery application. Each job says itself how often it is due. Without CELERY_BROKER_URL the broker is a folder under var/."""

import os
from typing import Any

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
django.setup()

from django.conf import settings
from django.utils.module_loading import autodiscover_modules

from billing.jobs import JOBS
from cascadeflow_site.embedded import VAR
from cascadeflow_site.instrumentation import instrument_this_process

instrument_this_process()
app = Celery("cascadeflow")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    timezone="UTC",
    beat_schedule_filename=str(VAR / "celery" / "beat"),
)
if settings.CELERY_BROKER_URL.startswith("filesystem"):
    folders = {name: VAR / "celery" / name for name in ("queue", "control", "processed")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    app.conf.broker_transport_options = {
        "data_folder_in": str(folders["queue"]), "data_folder_out": str(folders["queue"]), "control_folder": str(folders["control"]),
    }  # fmt: skip


def beat_schedule() -> dict[str, Any]:
    """Return when each job is asked for. A message that nobody took in its time is worth nothing: the next one is on its way."""
    return {
        job.name: {"task": job.name, "schedule": job.asked_every_s, "options": {"expires": max(job.asked_every_s, 60.0)}} for job in JOBS.values()
    }


autodiscover_modules("tasks")
app.conf.beat_schedule = beat_schedule()
