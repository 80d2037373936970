"""One call, made once, however often it is sent: Idempotency-Key as applications know it from payments.

The key is claimed in the transaction of the hold (billing/ledger/sql/25_keys.sql), the reply kept encrypted for 24 hours.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from uuid import UUID

import msgspec
import psycopg
from cryptography.fernet import InvalidToken
from msgspec import Struct
from psycopg_pool import PoolTimeout

from billing.ledger import CallKey, find_key, finish_key
from cascade.engine.errors import InvalidRequest, KeyInUse, KeyMismatch, OutcomeUnknown
from cascade.refusals import ledger_away
from cascade.runtime import Runtime
from tenants.authentication import Caller
from tenants.encryption import cipher

log = logging.getLogger(__name__)
HEADER = "idempotency-key"
REPLAYED = "idempotent-replayed"
SHAPE = re.compile(r"[\x21-\x7e]{1,255}")
KEPT_HEADERS = ("content-type", "cache-control", "x-accel-buffering", "x-should-retry")
OUR_HEADERS = "x-cascadeflow-"
RUN_HEADER = "x-cascadeflow-run-id"
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError)


class Reply(Struct, frozen=True, kw_only=True):
    """What was answered: enough to answer it again."""

    status: int
    headers: dict[str, str]
    body: bytes


def call_key(header: str | None, *, endpoint: str, body: bytes, headers: Mapping[str, str]) -> CallKey | None:
    """Return the key of a call, or None where it has none. Two calls are the same when their bodies and our own headers are.

    Raises InvalidRequest for a key that is none.
    """
    if header is None:
        return None
    if not SHAPE.fullmatch(header):
        message = "An Idempotency-Key has 1 to 255 printable ASCII characters without spaces, for example a UUID."
        raise InvalidRequest(message, param="Idempotency-Key")
    said = [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith(OUR_HEADERS)]
    return CallKey(endpoint=endpoint, key=header, fingerprint=hashlib.sha256("\0".join(said).encode() + b"\0" + body).digest())


async def known_reply(runtime: Runtime, caller: Caller, call: CallKey) -> Reply | None:
    """Return the reply that was given under this key, or None for a new one.

    Raises KeyMismatch when something else was sent under it, KeyInUse while the call is in flight, OutcomeUnknown when it was made and its
    process died: then nobody can say what came of it, and it is never made twice.
    """
    try:
        async with runtime.pool.connection() as connection:
            known = await find_key(connection, tenant_id=caller.tenant_id, endpoint=call.endpoint, key=call.key)
    except AWAY as away:
        raise ledger_away() from away
    if known is None:
        return None
    if known.fingerprint != call.fingerprint:
        raise KeyMismatch(
            "Another request was sent under this Idempotency-Key before. Send the same request again, or a new one under a new key.",
            param="Idempotency-Key",
        )
    if known.status is not None:
        try:
            return msgspec.json.decode(cipher().decrypt(known.reply), type=Reply)
        except InvalidToken as wrong:
            raise OutcomeUnknown(
                f"The call under this Idempotency-Key was made (run {known.reservation_id}), but its reply can no longer be read: the key it was "
                "encrypted with is gone. Send the request under a new key if you still need an answer."
            ) from wrong
    if known.in_flight:
        raise KeyInUse("The call under this Idempotency-Key is still under way. Try again in a second: its reply will be given then.")
    unknown = OutcomeUnknown(
        f"The call under this Idempotency-Key was made (run {known.reservation_id}), but no reply of it was kept, since its process died. It is "
        "booked, and will not be made again under this key. Send it under a new key if you still need an answer."
    )
    unknown.run_id = known.reservation_id
    raise unknown


async def keep_reply(runtime: Runtime, caller: Caller, call: CallKey, reply: Reply, *, may_repeat: bool) -> None:
    """Keep what was answered. A failure that cost nothing is not kept: then the same call may be made again.

    Never raises: the answer is out, and a key without a reply only leads to an honest 409.
    """
    run_id = reply.headers.get(RUN_HEADER)
    if run_id is None:
        return  # refused before anything was held: the ledger has let go of the key
    headers = {name: value for name, value in reply.headers.items() if name in KEPT_HEADERS or name.startswith(OUR_HEADERS)}
    kept = b"" if may_repeat else cipher().encrypt(msgspec.json.encode(msgspec.structs.replace(reply, headers=headers)))
    try:
        async with runtime.pool.connection() as connection:
            await finish_key(
                connection, tenant_id=caller.tenant_id, call=call, reservation_id=msgspec.convert(run_id, UUID, strict=False),
                status=None if may_repeat else reply.status, reply=kept,
            )
    except AWAY as away:
        log.warning("the reply of run %s could not be kept for its idempotency key: %s", run_id, type(away).__name__)


def may_repeat(failure: Exception) -> bool:
    """Is this the kind of failure after which the very same call should simply be made again?"""
    return bool(getattr(failure, "was_free", False)) and (failure.status >= 500 or failure.status == 429)  # type: ignore[attr-defined]
