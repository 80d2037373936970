"""What migrations alone cannot promise, made anew after every `migrate`, so that no new table can be forgotten.

First the SQL functions of each app (`<app>/**/sql/*.sql`, each safe to run again). Then, for each tenant-owned model: forced
row-level security, the rights of the application's role, foreign keys that compare the tenant along with the id, the trigger
that writes changes to the audit log, and the one that raises the tenant's `config_version`. All of it belongs to the owner's
role; the application's role uses it.
"""

from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from tenants.audit_triggers import audit_table
from tenants.models import tenant_column
from tenants.scoping import TenantOwnedModel

FULL_GRANTS = "SELECT, INSERT, UPDATE, DELETE"
SEEN_BY_SCOPE = (
    "({column} = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid) OR (SELECT current_setting('app.platform', true) = 'on'))"
)
"""The settings are read once for a statement, not once for each of its rows: a sub-select that names no column is."""


class OwnerIsApplication(RuntimeError):
    """The tables would belong to the very role that row-level security must bind."""


def secure_app(*, sender: AppConfig, using: str, **_: Any) -> None:
    """Receiver of post_migrate: secure the tables of one app. Raises OwnerIsApplication."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        _refuse_application_role(cursor)
        for path in sorted(Path(sender.path).rglob("sql/*.sql")):
            cursor.execute(path.read_text().replace("{app_role}", _app(connection)))
        existing = set(connection.introspection.table_names(cursor))
        for model in sender.get_models(include_auto_created=True):
            if model._meta.db_table in existing:
                _secure_table(cursor, connection, model)
        cursor.execute(f"GRANT SELECT ON django_migrations TO {_app(connection)}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {_app(connection)}")


def _refuse_application_role(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT current_user")
    (role,) = cursor.fetchone()
    if role == settings.DATABASE_APP_ROLE:
        raise OwnerIsApplication(
            f"DATABASE_URL and DATABASE_OWNER_URL both connect as {role!r}. Tenants are kept apart by row-level security, which does "
            "not bind the owner of a table: give the application a role of its own (docs/guides/database.md has the four lines of SQL)."
        )


def _secure_table(cursor: CursorWrapper, connection: BaseDatabaseWrapper, model: type[models.Model]) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    grants = getattr(model, "database_grants", FULL_GRANTS)
    cursor.execute(f"REVOKE ALL ON {table} FROM {_app(connection)}; GRANT {grants} ON {table} TO {_app(connection)}")
    column = tenant_column(model)
    if column is None:
        return
    seen = SEEN_BY_SCOPE.format(column=column)
    cursor.execute(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        DROP POLICY IF EXISTS of_the_scope ON {table}; DROP POLICY IF EXISTS of_the_owner ON {table};
        CREATE POLICY of_the_scope ON {table} TO {_app(connection)} USING {seen} WITH CHECK {seen};
        CREATE POLICY of_the_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true);
        """
    )
    audit_table(cursor, connection, model)
    if issubclass(model, TenantOwnedModel):
        _bind_foreign_keys(cursor, connection, model)
        _bump_config(cursor, table, wanted=model.bumps_config)


def _bind_foreign_keys(cursor: CursorWrapper, connection: BaseDatabaseWrapper, model: type[TenantOwnedModel]) -> None:
    """A foreign key between tenant-owned tables compares the tenant too, so no row can point into another tenant."""
    quote = connection.ops.quote_name
    for field in model._meta.local_concrete_fields:
        target = field.related_model
        if not (isinstance(target, type) and issubclass(target, TenantOwnedModel)):
            continue
        _ensure_constraint(
            cursor, quote(target._meta.db_table), f"{target._meta.db_table[:40]}_tenant_id_id", "UNIQUE (tenant_id, id)"
        )
        _ensure_constraint(
            cursor,
            quote(model._meta.db_table),
            f"{model._meta.db_table[:30]}_{field.attname[:20]}_tenant",
            f"FOREIGN KEY (tenant_id, {quote(field.attname)}) REFERENCES {quote(target._meta.db_table)} (tenant_id, id) "
            "DEFERRABLE INITIALLY DEFERRED",
        )


def _ensure_constraint(cursor: CursorWrapper, table: str, name: str, definition: str) -> None:
    cursor.execute("SELECT 1 FROM pg_constraint WHERE conname = %s AND conrelid = %s::regclass", [name, table])
    if not cursor.fetchone():
        cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def _bump_config(cursor: CursorWrapper, table: str, *, wanted: bool) -> None:
    cursor.execute(f"DROP TRIGGER IF EXISTS bump_config_version ON {table}")
    if wanted:
        cursor.execute(
            f"CREATE TRIGGER bump_config_version AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION tenants_bump_config_version()"
        )


def _app(connection: BaseDatabaseWrapper) -> str:
    return connection.ops.quote_name(settings.DATABASE_APP_ROLE)
