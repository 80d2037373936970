"""Whose rows may be seen right now. Fails closed twice: managers raise outside a scope, row-level security shows nothing.

A scope is one database transaction: PostgreSQL's settings `app.tenant_id` and `app.platform` are set for it alone, so a
pooled connection never carries a tenant over to the next request. `app.actor` says for the audit log who acts in it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

import uuid_utils.compat
from django.db import connection, models, transaction
from msgspec import json

from tenants.actors import actor_now

PLATFORM = "platform"
_scope: ContextVar[UUID | str | None] = ContextVar("tenant_scope", default=None)
Row = TypeVar("Row", bound="models.Model")


def uuid7() -> UUID:
    """Return a new time-ordered public id."""
    made: UUID = uuid_utils.compat.uuid7()
    return made


class OutsideTenantScope(RuntimeError):
    """Code asked for tenant-owned rows without saying whose."""


@contextmanager
def tenant_scope(tenant_id: UUID) -> Iterator[None]:
    """Run the block as one tenant, in one transaction. Scopes may nest; the outer one returns afterwards."""
    with _scoped(tenant_id):
        yield


@contextmanager
def platform_scope() -> Iterator[None]:
    """Run the block across all tenants, in one transaction: for our own commands, tasks and the staff admin alone."""
    with _scoped(PLATFORM):
        yield


def current_tenant_id() -> UUID:
    """Return the tenant of the scope. Raises OutsideTenantScope where there is none."""
    scope = _scope.get()
    if not isinstance(scope, UUID):
        raise OutsideTenantScope("This needs one tenant: wrap it in tenant_scope(tenant_id).")
    return scope


@contextmanager
def _scoped(scope: UUID | str) -> Iterator[None]:
    outer = _scope.get()
    token = _scope.set(scope)
    try:
        with transaction.atomic():
            _tell_database(scope)
            yield
            if not transaction.get_rollback():
                _tell_database(outer)
    finally:
        _scope.reset(token)


def _tell_database(scope: UUID | str | None) -> None:
    tenant, platform = (str(scope), "") if isinstance(scope, UUID) else ("", "on" if scope == PLATFORM else "")
    actor = json.encode(actor_now.get()).decode() if scope else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.platform', %s, true), set_config('app.actor', %s, true)",
            [tenant, platform, actor],
        )


def tell_actor() -> None:
    """Tell the database that somebody else acts from now on. Outside a scope there is nothing to tell yet."""
    if _scope.get() is not None:
        _tell_database(_scope.get())


class TenantScopedQuerySet(models.QuerySet[Row]):
    def bulk_create(self, objs: Iterable[Row], *args: Any, **kwargs: Any) -> list[Row]:
        rows = list(objs)
        for row in rows:
            claim_for_scope(row)
        return super().bulk_create(rows, *args, **kwargs)


class TenantScopedManager(models.Manager[Row]):
    """Shows the rows of the scope's tenant alone, and raises OutsideTenantScope where nobody said whose."""

    def get_queryset(self) -> TenantScopedQuerySet[Row]:
        scope = _scope.get()
        if scope is None:
            raise OutsideTenantScope(f"{self.model.__name__} rows belong to tenants: wrap this in tenant_scope(tenant_id).")
        rows: TenantScopedQuerySet[Row] = TenantScopedQuerySet(self.model, using=self._db)
        return rows if scope == PLATFORM else rows.filter(tenant_id=scope)

    def none(self) -> TenantScopedQuerySet[Row]:
        """No rows are nobody's: this needs no scope. Tools that only look at the model ask for it."""
        rows: TenantScopedQuerySet[Row] = TenantScopedQuerySet(self.model, using=self._db)
        return rows.none()


def claim_for_scope(row: Any) -> None:
    """Give a new row the scope's tenant; refuse one that names another. Raises OutsideTenantScope."""
    scope = _scope.get()
    if scope is None:
        raise OutsideTenantScope(f"A {type(row).__name__} belongs to a tenant: wrap this in tenant_scope(tenant_id).")
    owner: UUID | None = getattr(row, "tenant_id", None)
    if owner is None:
        row.tenant_id = current_tenant_id()
    elif isinstance(scope, UUID) and owner != scope:
        raise OutsideTenantScope(f"This {type(row).__name__} belongs to another tenant than the scope's.")


class Audited(StrEnum):
    """Do changes of a model's rows go into the tenant's audit log? (tenants/sql/50_audit.sql)"""

    ALWAYS = "always"
    BY_ACTORS = "by actors"
    """Where somebody acts, and not where a call brings it about."""
    NEVER = "never"
    """What calls and jobs book by themselves."""


class TenantOwnedModel(models.Model):
    """Base of every row that belongs to one tenant. tenants/database.py adds row-level security and composite foreign keys."""

    database_grants: ClassVar[str] = "SELECT, INSERT, UPDATE, DELETE"
    """What the application's role may do with the table; money tables say "SELECT"."""
    bumps_config: ClassVar[bool] = False
    """Does a change of a row change how calls are answered? Then a trigger raises the tenant's `config_version`."""

    audited: ClassVar[Audited] = Audited.ALWAYS
    audit_name: ClassVar[tuple[str, ...]] = ("name",)
    """The columns by which people know a row, as "role" or "tier__name"; never the name of an end user, who may be erased."""
    audit_hides: ClassVar[tuple[str, ...]] = ()
    """Columns of which the log says only that they changed, beside all binary ones: secrets, names of end users, what is long."""

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+", editable=False)

    objects: ClassVar[TenantScopedManager[Self]] = TenantScopedManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        claim_for_scope(self)
        super().save(*args, **kwargs)
