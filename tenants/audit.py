"""The audit log: who changed what, from where, before and after. docs/guides/audit.md tells it.

Rows are logged by the database itself (tenants/sql/50_audit.sql), in the transaction of the change, whatever wrote them. `record` is for what
changes no row that is logged. The doors say who acts, with `acting`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.http import HttpRequest
from msgspec import json
from psycopg.pq import TransactionStatus

from tenants.actors import Actor, ActorKind, Door, actor_now, masked_ip
from tenants.request_ids import request_id_of
from tenants.scoping import current_tenant_id, tell_actor

__all__ = ["Actor", "ActorKind", "Door", "acting", "person_acting", "record"]

WRITE = "SELECT tenants_write_audit(%s, %s, %s, %s, %s, %s::jsonb)"


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Run the block as somebody: what it changes is logged as theirs. Within a scope or around one."""
    token = actor_now.set(actor)
    try:
        tell_actor()
        yield
    finally:
        actor_now.reset(token)
        if not _is_broken():
            tell_actor()


def _is_broken() -> bool:
    """Does the transaction take no more statements, since one failed?"""
    return connection.connection is not None and connection.connection.info.transaction_status == TransactionStatus.INERROR


def person_acting(request: HttpRequest, *, door: Door, operation: str, reason: str = "", user: Any = None) -> Actor:
    """Return the person of a session as the one who acts: our own staff where they come as such, in the admin or with a reason."""
    user = user or request.user
    kind = ActorKind.STAFF if door == Door.STAFF_ADMIN or reason else ActorKind.USER
    return Actor(
        kind=kind, door=door, id=user.pk, name=getattr(user, "email", ""), operation=operation, request_id=request_id_of(request),
        ip=masked_ip(request.META.get("REMOTE_ADDR")), reason=reason,
    )  # fmt: skip


def record(*, action: str, object_type: str, object_id: object, object_name: str = "", changes: Mapping[str, tuple[Any, Any]] | None = None) -> None:
    """Write an entry about something of the scope's tenant, by whoever acts. `changes` has (before, after) by field; no secrets, no names of
    end users. It is written or rolled back with the rest of the transaction.
    """
    shown = {field: {"before": before, "after": after} for field, (before, after) in (changes or {}).items()}
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [current_tenant_id(), action, object_type, str(object_id), object_name, json.encode(shown, enc_hook=str).decode()])
