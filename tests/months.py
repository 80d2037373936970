"""Calls of months that are over: the ledger books by the database's clock, so a test that needs an October moves what it booked there."""

import uuid
from datetime import datetime

import psycopg

from tests import database


def move(hold: uuid.UUID, *, to: datetime, occurred_at: datetime | None = None) -> None:
    """Let a hold's entries have been booked at another time. Their day sums stay where they are, so the ledger stays whole."""
    with psycopg.connect(database.superuser_dsn()) as superuser:
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE billing_reservation SET created_at = %s WHERE id = %s", [occurred_at or to, hold])
        superuser.execute(
            "UPDATE billing_costentry SET booked_at = %s, occurred_at = %s WHERE reservation_id = %s", [to, occurred_at or to, hold]
        )


def tamper(statement: str, *values: object) -> None:
    """Do to the book what only a superuser can, past every trigger."""
    with psycopg.connect(database.superuser_dsn()) as superuser:
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(statement, values)
