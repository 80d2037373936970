"""Work on rows that a SQL function does so many at a time: for tasks and commands."""

from typing import Any

import psycopg


def in_batches(*, dsn: str, function: str, most: int, further: tuple[Any, ...] = ()) -> int:
    """Call `function(most, *further)`, each call a transaction of its own, until it found fewer rows than `most`. Returns how many it found.

    Safe to run anywhere, any time, any number of copies: such functions pass over rows that another copy has locked.
    """
    found = 0
    statement = f"SELECT {function}({', '.join(['%s'] * (1 + len(further)))})"
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        while True:
            row = connection.execute(statement.encode(), (most, *further)).fetchone()
            count = int(row[0]) if row else 0
            found += count
            if count < most:
                return found
