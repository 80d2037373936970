"""Exports as rows: asked for, written by the worker where they are large, cancelled, handed out, and deleted after their time.

A run that writes an export says each second how far it is. One that falls silent is taken for dead, and the export is written anew from its start:
the file has its name only when it is whole, so a half of it is never seen, and writing it twice gives the same file.
"""

import logging
from collections.abc import Callable, Mapping
from contextvars import copy_context
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import psycopg
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.alerting import ExportFailed, raise_alert
from billing.exports import files
from billing.exports.making import Made, Prepared, count_rows, make, prepare
from billing.exports.parquet import pyarrow
from billing.exports.wanted import Wanted, wanted_of
from billing.jobs import say_alive
from billing.models import ExportJob, ReportSchedule
from tenants.errors import Conflict
from tenants.scoping import platform_scope, tenant_scope

log = logging.getLogger(__name__)
MOST_ROWS_AT_ONCE = 300_000
"""Up to so many rows a file is written while it is downloaded."""
MOST_WAITING = 20
"""Exports of a tenant that may wait for the worker."""
BEAT_S = 1.0
SILENT_AFTER = timedelta(seconds=60)
MOST_ATTEMPTS = 5
"""An export that kills its worker so often is given up."""
State = ExportJob.State
OPEN = (State.WAITING, State.RUNNING)


class Stopped(Exception):
    """The export was cancelled, or another run has it."""


def ask_for(wanted: Wanted, *, actor: str, now: datetime, catalog: Mapping[str, Mapping[str, str]] | None = None) -> ExportJob:
    """Return the row of an export of the scope's tenant: ready to be downloaded where it is small, else waiting for the worker.

    Raises UnknownExport, ParquetMissing, and Conflict where too many wait already.
    """
    prepared = prepare(wanted, catalog=catalog)
    if wanted.format == "parquet":
        pyarrow()
    expected = count_rows(prepared)
    if expected > MOST_ROWS_AT_ONCE and ExportJob.objects.filter(state__in=OPEN).count() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} exports wait already. Cancel some, or wait for them.", code="too_many_exports")
    return ExportJob.objects.create(
        what=wanted.what, format=wanted.format, wanted={"wanted": wanted.as_json(), "catalog": dict(catalog or {})}, has_names=wanted.has_names,
        file_name=prepared.file_name, state=State.WAITING if expected > MOST_ROWS_AT_ONCE else State.READY, rows_expected=expected,
        created_by=actor[:200], created_at=now, expires_at=now + timedelta(days=settings.EXPORT_DAYS),
    )  # fmt: skip


def ask_again(job: ExportJob, *, actor: str, now: datetime, catalog: Mapping[str, Mapping[str, str]] | None = None) -> ExportJob:
    """Ask for the file of an export that failed once more, and return the new export: the old one stays, and says why. Raises what ask_for does,
    and Conflict for one that did not fail."""
    if job.state != State.FAILED:
        raise Conflict(f"This export is {job.state}: it did not fail.", code="not_failed")
    return ask_for(wanted_of(job.wanted["wanted"]), actor=actor, now=now, catalog=catalog)


def prepared_of(job: ExportJob) -> Prepared:
    """Return what a row's file is made from, as of now."""
    return prepare(wanted_of(job.wanted["wanted"]), catalog=job.wanted["catalog"])


def file_of(job: ExportJob) -> Path:
    return files.path_of(tenant_id=job.tenant_id, export_id=job.pk, file_name=job.file_name)


def cancel(job: ExportJob, *, now: datetime) -> ExportJob:
    """Let the worker stop. Raises Conflict for one that is over."""
    if not ExportJob.objects.filter(pk=job.pk, state__in=OPEN).update(state=State.CANCELLED, ended_at=now):
        raise Conflict(f"This export is {job.state}: there is nothing to cancel.", code="not_running")
    job.refresh_from_db()
    return job


def note_download(job: ExportJob) -> Callable[[Made], None]:
    """Return what notes on the row of a small export what its last download held. Called in a thread of its own."""
    tenant_id, pk = job.tenant_id, job.pk

    def note(made: Made) -> None:
        try:
            with tenant_scope(tenant_id):
                ExportJob.objects.filter(pk=pk, state=State.READY).update(**_facts(made), ended_at=Now())
        finally:
            connection.close()

    return note


def write_waiting() -> int:
    """Write every export that waits, or that a dead run has left, oldest first. Returns how many were written."""
    written = 0
    while (job := _take()) is not None:
        written += _write(job)
    return written


def forget_old(*, now: datetime) -> int:
    """Delete the files of exports whose time is over, and what dead runs have left. Returns how many exports expired."""
    with platform_scope():
        old = list(ExportJob.objects.filter(expires_at__lt=now).exclude(state__in=(*OPEN, State.EXPIRED)))
    for job in old:
        _expire(job)
    files.remove_parts()
    return len(old)


def forget_names() -> int:
    """Delete the files of the scope's tenant that name end users: one of them is to be erased. Returns how many there were."""
    named = list(ExportJob.objects.filter(has_names=True).exclude(state=State.EXPIRED))
    for job in named:
        _expire(job)
    return len(named)


def _expire(job: ExportJob) -> None:
    with tenant_scope(job.tenant_id):
        ExportJob.objects.filter(pk=job.pk).update(state=State.EXPIRED, attempt=None)
    files.remove(tenant_id=job.tenant_id, export_id=job.pk)


def _take() -> ExportJob | None:
    silent = Q(state=State.RUNNING, beat_at__lt=Now() - SILENT_AFTER)
    with platform_scope():
        job = ExportJob.objects.select_for_update(skip_locked=True).filter(silent | Q(state=State.WAITING)).order_by("created_at").first()
        if job is None:
            return None
        job.attempt = uuid4()
        ExportJob.objects.filter(pk=job.pk).update(
            state=State.RUNNING, attempt=job.attempt, attempts=F("attempts") + 1, started_at=Now(), beat_at=Now(), rows_done=0
        )
        job.attempts += 1
    return job


def _write(job: ExportJob) -> bool:
    """Returns whether it was written. What goes wrong with one export is noted on its row, and the next one has its turn."""
    if job.attempts > MOST_ATTEMPTS:
        return _end(job, state=State.FAILED, failure=f"It was begun {MOST_ATTEMPTS} times and never finished.")
    path = file_of(job)
    try:
        with tenant_scope(job.tenant_id):
            prepared = prepared_of(job)
        with Pulse(job) as pulse, files.becoming(path) as file:
            made = make(prepared, file, on_rows=pulse.told)
        files.write_beside(path, sha256=made.sha256, manifest=made.manifest)
    except Stopped:
        _clear(job)
        return False
    except (psycopg.OperationalError, DatabaseError, SoftTimeLimitExceeded):
        _end(job, state=State.WAITING)
        raise
    except OSError as full:
        return _end(job, state=State.FAILED, failure=f"The file could not be written: {full.strerror}.")
    except Exception as failed:
        log.exception("the export %s failed", job.pk)
        return _end(job, state=State.FAILED, failure=f"{type(failed).__name__}: it could not be written. The worker's log says more.")
    return _end(job, state=State.DONE, **_facts(made))


def _end(job: ExportJob, *, state: str, **facts: Any) -> bool:
    with tenant_scope(job.tenant_id):
        mine = ExportJob.objects.filter(pk=job.pk, attempt=job.attempt, state=State.RUNNING)
        ended = bool(mine.update(state=state, ended_at=None if state == State.WAITING else Now(), **facts))
        if ended and state == State.FAILED:
            _tell_failed(job)
    if not ended:
        _clear(job)
    return ended and state == State.DONE


def _tell_failed(job: ExportJob) -> None:
    """Raise the alert, unless the file is for a mail: its schedule tells what was not sent."""
    job.refresh_from_db(fields=["ended_at", "failure"])
    if job.ended_at is not None and not ReportSchedule.objects.filter(export=job).exists():
        event = ExportFailed(export=job.pk, name=job.file_name, reason=job.failure, failed_at=job.ended_at)
        raise_alert(event=event, now=job.ended_at)


def _clear(job: ExportJob) -> None:
    """Delete what a run has written whose export was cancelled or expired meanwhile; not where another run has it, which writes there too."""
    with tenant_scope(job.tenant_id):
        is_over = ExportJob.objects.filter(pk=job.pk, state__in=(State.CANCELLED, State.EXPIRED)).exists()
    if is_over:
        files.remove(tenant_id=job.tenant_id, export_id=job.pk)


class Pulse:
    """Says each second, beside the run that writes an export, how far it is: the database may sort for a minute before the first row comes."""

    def __init__(self, job: ExportJob) -> None:
        self._job, self._rows = job, 0
        self._over, self._lost = Event(), False
        self._thread = Thread(target=copy_context().run, args=(self._beat,), name="export pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def told(self, rows: int) -> None:
        """Raises Stopped where the export is the run's no more."""
        self._rows = max(rows, 0)
        if self._lost:
            raise Stopped

    def _beat(self) -> None:
        try:
            while not self._over.wait(BEAT_S):
                say_alive()
                with tenant_scope(self._job.tenant_id):
                    mine = ExportJob.objects.filter(pk=self._job.pk, attempt=self._job.attempt, state=State.RUNNING)
                    self._lost = not mine.update(rows_done=self._rows, beat_at=Now())
        except DatabaseError:
            log.warning("an export could not say how far it is: the database is away")
        finally:
            connection.close()


def _facts(made: Made) -> dict[str, Any]:
    return {"rows_done": made.rows, "size_bytes": made.size_bytes, "sha256": made.sha256, "manifest": made.manifest}
