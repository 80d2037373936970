"""A worker of the site with two jobs more: one hangs until it is killed, the first time; one fails, the first time."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from cascadeflow_site.celery import app, beat_schedule  # isort: skip - sets Django up
from billing.jobs import job

__all__ = ["app"]

MARKS = Path(os.environ["SLOW_JOBS_FOLDER"])
SECOND = timedelta(seconds=1)


@job(name="tests.hangs_once", every=SECOND, limit_s=2)
def hang_once(_now: datetime) -> str:
    if not (MARKS / "hanging").exists():
        (MARKS / "hanging").write_text(str(os.getpid()))
        time.sleep(600)
    return "done after all"


@job(name="tests.fails_once", every=SECOND, limit_s=2)
def fail_once(_now: datetime) -> str:
    if not (MARKS / "failed").exists():
        (MARKS / "failed").touch()
        raise ConnectionError("the mail server is away\nDETAIL: to ann@example.com")
    return "sent"


app.conf.beat_schedule = beat_schedule()
