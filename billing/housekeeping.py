"""What must be done for the ledger outside requests, for tasks, commands and web workers alike."""

from django.db import connections
from psycopg.conninfo import make_conninfo

from billing.ledger import dead_owners, ensure_partitions, sweep


def database_dsn() -> str:
    """Return how psycopg reaches the database that Django uses, as the application's role."""
    given = connections["default"].settings_dict
    options = {key: value for key, value in given.get("OPTIONS", {}).items() if isinstance(value, str)}
    named = {"host": given["HOST"], "port": given["PORT"], "dbname": given["NAME"], "user": given["USER"], "password": given["PASSWORD"]}
    return make_conninfo(**{key: value for key, value in named.items() if value}, **options)


def sweep_now() -> int:
    """Close expired holds and those of dead processes of this machine. Returns how many."""
    dsn = database_dsn()
    return sweep(dsn=dsn, dead_owners=dead_owners(dsn=dsn))


def prepare_partitions() -> int:
    """Make the cost entries' partitions of the coming months. Returns how many were made."""
    return ensure_partitions(dsn=database_dsn())
