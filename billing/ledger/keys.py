"""What is known of idempotency keys. They are claimed by `Ledger.reserve`, in the transaction of the hold."""

from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg.rows import tuple_row

from billing.ledger.batches import in_batches
from billing.ledger.values import CallKey


class KnownCall(Struct, frozen=True, kw_only=True):
    """The call that a key belongs to."""

    fingerprint: bytes
    reservation_id: UUID
    status: int | None
    """HTTP status of its reply; None as long as there is none."""
    reply: bytes
    in_flight: bool
    """Is its money still held, or only just booked? If not, and there is no reply, its process died."""


async def find_key(connection: psycopg.AsyncConnection[Any], *, tenant_id: UUID, endpoint: str, key: str) -> KnownCall | None:
    """Return the call that has this key, or None. Keys live for 24 hours."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT * FROM billing_find_key(%s, %s, %s)", (tenant_id, endpoint, key))
        row = await cursor.fetchone()
    if row is None:
        return None
    fingerprint, reservation, status, reply, in_flight = row
    return KnownCall(fingerprint=bytes(fingerprint), reservation_id=reservation, status=status, reply=bytes(reply), in_flight=in_flight)


async def finish_key(
    connection: psycopg.AsyncConnection[Any], *, tenant_id: UUID, call: CallKey, reservation_id: UUID, status: int | None, reply: bytes
) -> None:
    """Keep the reply of a call (encrypted by the caller) under its key. Without a status the key is let go of: the call may be made again."""
    await connection.execute(
        "SELECT billing_finish_key(%s, %s, %s, %s, %s::smallint, %s)", (tenant_id, call.endpoint, call.key, reservation_id, status, reply)
    )


def forget_keys(*, dsn: str, batch: int = 1000) -> int:
    """Forget the keys whose 24 hours are over. Returns how many; safe to run anywhere, any time."""
    return in_batches(dsn=dsn, function="billing_forget_keys", most=batch)
