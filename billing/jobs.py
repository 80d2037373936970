"""Work outside requests: each job is an idempotent sweep over rows, so losing a message or a worker loses nothing.

A job is due every so often, has a time limit, is tried again with jitter when it fails, and leaves its standing in a row. The row decides
whether it is due, not the message: so any number of beats and workers may ask, a restart forgets nothing, and what a killed worker left
is taken up again. Two runs of one job never work side by side: a run holds the job until it ends, or until its limit is over.
"""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

from celery import shared_task
from django.db import connection
from django.utils import timezone
from msgspec import Struct

from billing.models import JobStanding
from tenants.actors import Actor, ActorKind, Door
from tenants.audit import acting

__all__ = ["JOBS", "Job", "is_late", "job", "run_job", "say_alive"]

Work = Callable[[datetime], object]
GRACE_S = 10
"""Between the limit that a run can still handle and the one that kills it."""
ASKED_EVERY = timedelta(minutes=5)
"""How often a job that is due less often is asked for."""
SLACK = timedelta(minutes=1)
"""A job may run this much early, or half its period: messages do not come to the second."""
RETRIES, FIRST_RETRY_S, LONGEST_RETRY_S = 3, 2, 60
LATE_AFTER_PERIODS = 3
LONGEST_RESULT, LONGEST_FAILURE = 200, 500


class Job(Struct, frozen=True, kw_only=True):
    """What is done, how often, and how long it may take. `work` is given the time, and what it returns is told as its result."""

    name: str
    work: Work
    every: timedelta
    limit_s: int
    lease_s: int | None = None
    """For work that may take long: a run holds the job for so long at a time, and says that it lives (`say_alive`). So what a killed worker
    left is taken up again soon. None: a run holds it for its whole limit."""

    @property
    def held_s(self) -> int:
        return self.lease_s or self.limit_s + GRACE_S

    @property
    def asked_every_s(self) -> float:
        return min(self.every, ASKED_EVERY).total_seconds()

    @property
    def rest(self) -> timedelta:
        """How long after a good run it is not due."""
        return max(self.every - SLACK, self.every / 2)


JOBS: dict[str, Job] = {}
"""Every job of the installation, by name."""
_run: ContextVar[tuple[Job, str] | None] = ContextVar("run_of_job", default=None)
"""The job that is being worked on, and who holds it."""


def job(*, name: str, every: timedelta, limit_s: int, lease_s: int | None = None) -> Callable[[Work], Any]:
    """Make a function of the time a job, and a Celery task of the same name."""

    def made(work: Work) -> Any:
        JOBS[name] = found = Job(name=name, work=work, every=every, limit_s=limit_s, lease_s=lease_s)

        def task() -> None:
            run_job(found, now=timezone.now())

        return shared_task(
            name=name, ignore_result=True, soft_time_limit=limit_s, time_limit=limit_s + GRACE_S, autoretry_for=(Exception,), max_retries=RETRIES,
            retry_backoff=FIRST_RETRY_S, retry_backoff_max=LONGEST_RETRY_S, retry_jitter=True,
        )(task)  # fmt: skip

    return made


def run_job(found: Job, *, now: datetime, rest: timedelta | None = None) -> bool:
    """Run a job at `now` if it is due and note how it went. Returns False where it is not due or another run has it. Raises what the work raises.

    `rest` is how long ago its last good run must have been; without it, what the job itself says.
    """
    holder = str(uuid4())
    if not _take(found, holder, rest=found.rest if rest is None else rest):
        return False
    began, outer = perf_counter(), _run.set((found, holder))
    try:
        with acting(Actor(kind=ActorKind.JOB, door=Door.JOB, name=found.name, operation=found.name)):
            told = found.work(now)
    except BaseException as failed:
        _give_back(found, holder, took_ms=_ms_since(began), failure=_in_words(failed))
        raise
    finally:
        _run.reset(outer)
    _give_back(found, holder, took_ms=_ms_since(began), result=str(told)[:LONGEST_RESULT])
    return True


def say_alive() -> None:
    """Hold the job that is being worked on for another lease. Outside of a job, do nothing."""
    running = _run.get()
    if running is not None:
        found, holder = running
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE billing_jobstanding SET held_until = clock_timestamp() + %s * interval '1 second' WHERE name = %s AND holder = %s",
                [found.held_s, found.name, holder],
            )


def is_late(standing: JobStanding, *, now: datetime) -> bool:
    """Has a job that is due every so often not succeeded for three of its periods? Not while a run of it is under way and within its time."""
    if standing.holder and standing.held_until is not None and standing.held_until > now:
        return False
    limit = timedelta(seconds=LATE_AFTER_PERIODS * standing.every_seconds)
    return standing.succeeded_at is None or now - standing.succeeded_at > limit


def _take(found: Job, holder: str, *, rest: timedelta) -> bool:
    """The database's clock decides, since workers are on many machines."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_jobstanding AS j (name, every_seconds, started_at, runs, failures, result, failure, holder, held_until)"
            " VALUES (%(name)s, %(every)s, clock_timestamp(), 1, 0, '', '', %(holder)s, clock_timestamp() + %(limit)s * interval '1 second')"
            " ON CONFLICT (name) DO UPDATE SET every_seconds = excluded.every_seconds, started_at = excluded.started_at, runs = j.runs + 1,"
            " holder = excluded.holder, held_until = excluded.held_until"
            " WHERE (j.holder = '' OR j.held_until < clock_timestamp())"
            " AND (j.succeeded_at IS NULL OR j.succeeded_at <= clock_timestamp() - %(rest)s * interval '1 second')",
            {
                "name": found.name, "every": found.every.total_seconds(), "holder": holder,
                "limit": found.held_s, "rest": rest.total_seconds(),
            },
        )  # fmt: skip
        taken: bool = cursor.rowcount == 1
    return taken


def _give_back(found: Job, holder: str, *, took_ms: int, result: str = "", failure: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_jobstanding SET holder = '', held_until = NULL, ended_at = statement_timestamp(), took_ms = %(took_ms)s,"
            " succeeded_at = CASE WHEN %(failure)s = '' THEN statement_timestamp() ELSE succeeded_at END,"
            " failed_at = CASE WHEN %(failure)s = '' THEN failed_at ELSE statement_timestamp() END,"
            " result = CASE WHEN %(failure)s = '' THEN %(result)s ELSE result END,"
            " failure = CASE WHEN %(failure)s = '' THEN failure ELSE %(failure)s END,"
            " failures = failures + (%(failure)s <> '')::int"
            " WHERE name = %(name)s AND holder = %(holder)s",
            {"name": found.name, "holder": holder, "took_ms": took_ms, "result": result, "failure": failure},
        )


def _ms_since(began: float) -> int:
    return round(1000 * (perf_counter() - began))


def _in_words(failed: BaseException) -> str:
    """The first line alone: those after it hold the rows that a database speaks of."""
    first = next(iter(str(failed).splitlines()), "")
    return f"{type(failed).__name__}: {first}"[:LONGEST_FAILURE]
