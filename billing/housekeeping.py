"""What must be done for the ledger outside requests, for tasks, commands and web workers alike."""

import asyncio
import logging
import random
from datetime import datetime, timedelta

import psycopg
from asgiref.sync import sync_to_async
from django.db import connections
from psycopg.conninfo import make_conninfo

from billing.ledger import dead_owners, ensure_partitions, forget_keys, forget_rates, sweep
from billing.models import Alert, AlertMessage, LedgerState
from billing.signals import swept
from tenants.scoping import platform_scope

log = logging.getLogger(__name__)
MESSAGES_KEPT, ALERTS_KEPT, FORGOTTEN_AT_ONCE = timedelta(days=90), timedelta(days=400), 5000


def database_dsn() -> str:
    """Return how psycopg reaches the database that Django uses, as the application's role."""
    given = connections["default"].settings_dict
    options = {key: value for key, value in given.get("OPTIONS", {}).items() if isinstance(value, str)}
    named = {"host": given["HOST"], "port": given["PORT"], "dbname": given["NAME"], "user": given["USER"], "password": given["PASSWORD"]}
    return make_conninfo(**{key: value for key, value in named.items() if value}, **options)


def sweep_now() -> int:
    """Close expired holds and those of dead processes of this machine. Returns how many."""
    dsn = database_dsn()
    closed = sweep(dsn=dsn, dead_owners=dead_owners(dsn=dsn))
    swept.send_robust(sender=None, closed=closed)
    return closed


def prepare_partitions() -> int:
    """Make the cost entries' partitions of the coming months. Returns how many were made."""
    return ensure_partitions(dsn=database_dsn())


def rewound_since() -> datetime | None:
    """Return since when the ledger is known to be restored from a backup and not resumed, or None."""
    with platform_scope():
        state: datetime | None = LedgerState.objects.values_list("rewound_at", flat=True).get()
    return state


def resume_ledger(*, actor: str, reason: str) -> bool:
    """Let budgets that block admit again after a restore. Returns whether there was anything to resume."""
    with psycopg.connect(database_dsn(), autocommit=True, connect_timeout=5) as connection:
        row = connection.execute("SELECT billing_resume(%s, %s)", (actor, reason)).fetchone()
    return bool(row and row[0])


def forget_old_keys() -> int:
    """Forget idempotency keys, and the replies kept with them, after their 24 hours. Returns how many."""
    return forget_keys(dsn=database_dsn())


def forget_full_rates() -> int:
    """Forget the buckets of rate limits that are full again. Returns how many."""
    return forget_rates(dsn=database_dsn())


def forget_old_alerts(*, now: datetime) -> int:
    """Forget messages, with their deliveries, after 90 days, and alerts after 400: a few thousand at a time. Returns how many rows went."""
    with platform_scope():
        messages = AlertMessage.objects.filter(created_at__lt=now - MESSAGES_KEPT).exclude(state=AlertMessage.State.WAITING)
        alerts = Alert.objects.filter(raised_at__lt=now - ALERTS_KEPT)
        gone = [rows.model._default_manager.filter(pk__in=list(rows.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])).delete()[0]
                for rows in (messages, alerts)]  # fmt: skip
        return sum(gone)


async def keep_swept(*, every_s: float) -> None:
    """Sweep for ever, beside the calls that a web process answers: the worker or its broker may be gone."""
    while True:
        try:
            closed = await sync_to_async(sweep_now, thread_sensitive=False)()
            if closed:
                log.warning("the sweep closed %d holds whose process is gone", closed)
        except psycopg.Error as away:
            log.warning("the sweep could not reach the database: %s", type(away).__name__)
        except Exception:
            log.exception("a sweep failed; the next one tries again")
        await asyncio.sleep(every_s * (0.75 + random.random() / 2))  # noqa: S311 - jitter, so that workers do not sweep in step
