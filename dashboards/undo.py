"""What somebody changed, many rows at once or one in its form, they can take back for ten minutes, as far as nobody has changed the rows since.
Kept in the session."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.sessions.backends.base import SessionBase
from msgspec import Struct

from dashboards.resources import Planned, Resource, carry_out
from tenants.models import Membership

KEPT_FOR = timedelta(minutes=10)
SESSION_KEY = "undo"


class Changed(Struct, frozen=True):
    """One row, and its attributes before and after: numbers, texts, switches, and lists of numbers."""

    row_id: str
    before: dict[str, int | float | bool | str | list[int] | None]
    after: dict[str, int | float | bool | str | list[int] | None]


class Undo(Struct, frozen=True, kw_only=True):
    tenant: str
    resource: str
    needs: str
    """The permission that it was done with, as tenants/roles.py has it."""
    label: str
    until: datetime
    rows: Sequence[Changed]


def changed_by(plans: Sequence[Planned]) -> list[Changed]:
    """Return what a bulk change is about to make of the rows that it changes."""
    return [
        Changed(str(plan.existing.pk), {name: _kept(getattr(plan.existing, name)) for name in plan.wanted}, dict(plan.wanted))
        for plan in plans if plan.state == "change"
    ]  # fmt: skip


def state_of(row: Any) -> dict[str, Any]:
    """Return the attributes of a row as they are before a form changes it."""
    return {field.attname: copy(getattr(row, field.attname)) for field in row._meta.concrete_fields}


def changed_row(row: Any, *, was: Mapping[str, Any]) -> list[Changed]:
    """Return what a form has made of a row that was so; nothing where it made no difference."""
    after = {name: value for name, value in state_of(row).items() if value != was[name]}
    return [Changed(str(row.pk), {name: was[name] for name in after}, after)] if after else []


def remember(session: SessionBase, undo: Undo) -> None:
    """Keep what was done: the last change alone."""
    session[SESSION_KEY] = msgspec.to_builtins(undo)


def remembered(session: SessionBase, *, tenant: str, resource: str, now: datetime) -> Undo | None:
    """Return the person's last change, where it was of this resource and not too long ago."""
    if SESSION_KEY not in session:
        return None
    try:
        undo = msgspec.convert(session[SESSION_KEY], Undo)
    except msgspec.ValidationError:  # kept by another version
        forget(session)
        return None
    if now >= undo.until:
        forget(session)
        return None
    return undo if (undo.tenant, undo.resource) == (tenant, resource) else None


def forget(session: SessionBase) -> None:
    session.pop(SESSION_KEY, None)


def take_back(resource: Resource[Any], undo: Undo, *, membership: Membership, now: datetime) -> int:
    """Give the rows the values that they had before, and return how many. Rows that were changed or ended since are left as they are."""
    kept = {one.row_id: one for one in undo.rows}
    rows = resource.rows(membership=membership, now=now)
    theirs = list(rows.filter(pk__in=list(kept)).values_list("pk", flat=True))
    done = 0
    for row in rows.model._default_manager.select_for_update().filter(pk__in=theirs).order_by("pk"):
        was = kept[str(row.pk)]
        if any(_kept(getattr(row, name)) != value for name, value in was.after.items()):
            continue
        do = partial(resource.changed, row, was.before)
        carry_out(resource, verb="change", before=resource.describe(row), do=do, membership=membership)
        done += 1
    return done


def _kept(value: Any) -> Any:
    """A session holds no ids but as texts."""
    return str(value) if isinstance(value, UUID) else value
