"""The tests' PostgreSQL: one embedded server for all workers, one database each, copied from a template that is migrated once."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from cascadeflow_site import embedded

DATA = embedded.VAR / "test-postgres"


def prepare(worker: str) -> None:
    """Point Django, and every process started from here, at a fresh database of this worker's own."""
    with _locked():  # two workers that find no server yet would both make its first database
        uri = embedded.start(data=DATA)
    socket_directory = os.environ["DATABASE_URL"].split("@//")[1].rsplit("/", 1)[0]
    template, name = f"template_{_schema_digest()}", f"test_{worker}_{os.getpid()}"
    with _locked(), psycopg.connect(uri, autocommit=True) as superuser:
        _drop_left_overs(superuser)
        if not superuser.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
            embedded.create_database(superuser, f"{template}_making")
            _point_at(f"/{socket_directory}", f"{template}_making")
            call_command("migrate", verbosity=0)
            connections.close_all()
            superuser.execute(f'ALTER DATABASE "{template}_making" RENAME TO "{template}"')
        embedded.create_database(superuser, name, template=template)
    _point_at(f"/{socket_directory}", name)
    for role, variable in ((embedded.APP, "DATABASE_URL"), (embedded.OWNER, "DATABASE_OWNER_URL")):
        os.environ[variable] = embedded.url(role=role, socket_directory=f"/{socket_directory}", database=name)


def superuser_dsn() -> str:
    url = settings.DATABASES["default"]
    return f"host={url['HOST']} user=postgres dbname={url['NAME']}"


def owner_dsn() -> str:
    url = settings.DATABASES["default"]
    return f"host={url['HOST']} user={embedded.OWNER} dbname={url['NAME']}"


def app_dsn() -> str:
    url = settings.DATABASES["default"]
    return f"host={url['HOST']} user={embedded.APP} dbname={url['NAME']}"


def _point_at(socket_directory: str, name: str) -> None:
    connections.close_all()
    for alias, role in (("default", embedded.APP), ("owner", embedded.OWNER)):
        connections[alias].settings_dict.update(HOST=socket_directory, NAME=name, USER=role, PASSWORD="", PORT="")
        settings.DATABASES[alias].update(HOST=socket_directory, NAME=name, USER=role, PASSWORD="", PORT="")
    os.environ["DATABASE_URL"] = embedded.url(role=embedded.APP, socket_directory=socket_directory, database=name)
    os.environ["DATABASE_OWNER_URL"] = embedded.url(role=embedded.OWNER, socket_directory=socket_directory, database=name)


def _schema_digest() -> str:
    """Changes whenever a migration, an SQL function or a model does."""
    digest = hashlib.sha256()
    for app in ("tenants", "billing", "cascade", "dashboards"):
        folder = embedded.BASE / app
        paths = [*folder.rglob("migrations/*.py"), *folder.rglob("*.sql"), *folder.rglob("models*.py"), *folder.rglob("models/*.py")]
        for path in sorted([*paths, *folder.glob("database.py"), *folder.glob("scoping.py")]):
            digest.update(path.read_bytes())
    digest.update(Path(embedded.BASE / "requirements/run.txt").read_bytes())
    return digest.hexdigest()[:16]


def _drop_left_overs(superuser: psycopg.Connection) -> None:
    """Databases of workers that no longer live, and templates half made."""
    for (name,) in superuser.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test%' OR datname LIKE 'template%making'").fetchall():
        pid = name.rsplit("_", 1)[-1]
        if not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def _locked() -> Iterator[None]:
    embedded.VAR.mkdir(parents=True, exist_ok=True)
    with open(embedded.VAR / "test-postgres.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
