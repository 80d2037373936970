"""Entries of the audit log as people read them, and the last ones about a row."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet
from msgspec import Struct

from dashboards.access import may
from tenants.actors import ActorKind, Door
from tenants.audit_triggers import object_type
from tenants.models import AuditEntry, Membership
from tenants.roles import Permission

LAST, MOST_COMMENTS = 5, 50
ACTORS = {
    ActorKind.USER.value: "Person", ActorKind.API_KEY.value: "API key", ActorKind.STAFF.value: "CascadeFlow staff", ActorKind.IMPORT.value: "Import",
    ActorKind.JOB.value: "Job", ActorKind.COMMAND.value: "Command", "database": "Database",
}  # fmt: skip
DOORS = {
    Door.CONSOLE.value: "Console", Door.API.value: "API", Door.IMPORT.value: "Import", Door.STAFF_ADMIN.value: "Staff admin",
    Door.PROVISIONING.value: "Provisioning", Door.JOB.value: "Job", Door.COMMAND.value: "Command", "database": "A hand at the database",
}  # fmt: skip


class Told(Struct, frozen=True, kw_only=True):
    """One entry in words. `differences` are name, before and after."""

    entry: AuditEntry
    actor: str
    door: str
    thing: str
    differences: Sequence[tuple[str, str, str]]


def told_of(entry: AuditEntry) -> Told:
    return Told(
        entry=entry, actor=ACTORS.get(entry.actor_kind, entry.actor_kind), door=DOORS.get(entry.door, entry.door),
        thing=entry.object_type.replace("_", " "),
        differences=[(field.replace("_", " "), *_pair(change)) for field, change in sorted(entry.changes.items())],
    )  # fmt: skip


def last_changes(row: Model, *, membership: Membership) -> Sequence[Told]:
    """Return what was last changed about a row, newest first; nothing for somebody who may not read the audit log."""
    if not may(membership, Permission.SEE_AUDIT):
        return ()
    entries = AuditEntry.objects.filter(object_type=object_type(type(row)), object_id=str(row.pk)).order_by("-at", "-id")
    return [told_of(entry) for entry in entries[:LAST]]


def comment_entries(row: Model, *, field: str) -> QuerySet[AuditEntry]:
    """Return the newest entries in which a text field of a row was written, at most MOST_COMMENTS. The row holds the last text alone."""
    entries = AuditEntry.objects.filter(object_type=object_type(type(row)), object_id=str(row.pk), changes__has_key=field)
    return entries.order_by("-at", "-id")[:MOST_COMMENTS]


def comments_in(entries: Iterable[AuditEntry], *, field: str) -> Sequence[tuple[datetime, str, str]]:
    """Return what was written into a field, one time after the other: when, by whom, and the words. Such comments are for everybody who sees the
    row, as the field is."""
    said = [(entry.at, entry.actor_name, _pair(entry.changes[field])[1]) for entry in sorted(entries, key=lambda one: (one.at, one.id))]
    return [one for one in said if one[2]]


def _pair(change: Any) -> tuple[str, str]:
    return (_word(change.get("before")), _word(change.get("after"))) if isinstance(change, dict) else ("", _word(change))


def _word(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_word, value)) if isinstance(value, list) else str(value)
