"""How long a page waits for what is read from calls and runs themselves, instead of their sums."""

from collections.abc import Mapping
from typing import Any

from django.db import OperationalError, connection, transaction

LONGEST_PIVOT_DAYS = 92
PATIENCE_MS = 5_000


class TooMuchToRead(Exception):
    """The entries of these days are more than a page may wait for. Ask for fewer days, or for one dimension without filters."""


def read_patiently(query: str, asked: Mapping[str, Any], *, patience_ms: int) -> list[Any]:
    """Return the rows of a query, read within a time and a savepoint: when the time is up, the page goes on. Raises TooMuchToRead."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(patience_ms)])
            cursor.execute(query, asked)
            rows: list[Any] = cursor.fetchall()
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as cancelled:
        raise TooMuchToRead(f"this took longer than {patience_ms / 1000:g} s") from cancelled
    return rows
