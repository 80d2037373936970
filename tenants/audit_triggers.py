"""The trigger by which a table writes its changes to the audit log. Made anew after every `migrate`, from what the model says."""

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from tenants.models import tenant_column
from tenants.scoping import Audited

IGNORED = ("id", "tenant_id", "created_at", "changed_at", "last_used_at", "config_version", "end_users_version")
"""What every entry says already, and what changes by itself."""
SOMEBODY_ACTS = "current_setting('app.actor', true) <> ''"


def audit_table(cursor: CursorWrapper, connection: BaseDatabaseWrapper, model: Any) -> None:
    """Give the table of a tenant's model its trigger, or take it away."""
    table = connection.ops.quote_name(model._meta.db_table)
    cursor.execute(f"DROP TRIGGER IF EXISTS write_audit ON {table}")
    if model.audited == Audited.NEVER:
        return
    columns = [field.column for field in model._meta.local_concrete_fields]
    watched = ", ".join(connection.ops.quote_name(column) for column in columns if column not in IGNORED)
    arguments = (object_type(model), tenant_column(model), ",".join(hidden_columns(model)), ",".join(IGNORED), name_query(model, connection))
    when = f"WHEN ({SOMEBODY_ACTS})" if model.audited == Audited.BY_ACTORS else ""
    cursor.execute(
        f"CREATE TRIGGER write_audit AFTER INSERT OR DELETE OR UPDATE OF {watched} ON {table} FOR EACH ROW {when} "
        f"EXECUTE FUNCTION tenants_audit_row({', '.join(['%s'] * len(arguments))})",
        arguments,
    )


def object_type(model: type[models.Model]) -> str:
    """Return what entries call a model: "api_key"."""
    return str(model._meta.verbose_name).replace(" ", "_")


def hidden_columns(model: Any) -> Iterator[str]:
    """Binary columns hold secrets, digests and salts."""
    for field in model._meta.local_concrete_fields:
        if isinstance(field, models.BinaryField) or field.name in model.audit_hides:
            yield field.column


def name_query(model: Any, connection: BaseDatabaseWrapper) -> str:
    """Return the query that makes a row's name of the row as JSON, its $1."""
    names = [part for path in model.audit_name if (part := _name_part(model, path, connection))]
    return f"SELECT concat_ws(' ', {', '.join(names)})" if names else "SELECT ''"


def _name_part(model: Any, path: str, connection: BaseDatabaseWrapper) -> str:
    name, _, further = path.partition("__")
    field = next((field for field in model._meta.local_concrete_fields if field.name == name), None)
    if field is None:
        return ""
    if not further:
        return f"nullif($1 ->> '{field.column}', '')"
    other = field.related_model._meta
    column, kind = other.get_field(further).column, field.target_field.db_type(connection)
    return f"(SELECT t.{column} FROM {other.db_table} t WHERE t.id = ($1 ->> '{field.column}')::{kind})"  # noqa: S608 - names of our own models
