"""One moment of the book, read over a connection of its own for as long as a file is written.

A request's scope is one short transaction of Django's; a file needs one that stays open, sees a single moment, and never waits for a reader:
whoever writes a file writes it to disk at the database's speed, and a slow reader reads it from there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from billing.engine.months import Stretch
from billing.exports.columns import printed, select_cells, select_values
from billing.exports.tables import Table
from billing.housekeeping import database_dsn

LONGEST_MS = 2 * 3600 * 1000
"""No statement of an export runs for longer."""
IDLE_MS = 5 * 60 * 1000
"""A moment that nobody reads from for so long is given up."""


class Moment:
    """A read-only transaction at one moment, which sees the rows of one tenant. Make it with `moment()`."""

    def __init__(self, connection: psycopg.Connection[Any], *, tenant_id: UUID, days: Stretch) -> None:
        self._connection = connection
        self._common = {"tenant": tenant_id, "start": days.start_at, "end": days.end_at, "zone": days.zone}

    def total(self, table: Table, *, days: Stretch | None = None) -> tuple[int, int]:
        """Return how many rows of the database a file is made from, and what its amounts sum to in nano-USD; or those of other days."""
        parameters = self._parameters(table)
        if days is not None:
            parameters.update(start=days.start_at, end=days.end_at)
        row = self._connection.execute(table.total, parameters).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def csv(self, table: Table) -> Iterator[bytes]:
        """Yield the header and then each row, as CSV: null is nothing, an empty text a pair of quotes."""
        select = self._select(table, select_cells(table.columns, for_people=table.for_people))
        yield from self._copy(f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)", table)

    def json(self, table: Table) -> Iterator[bytes]:
        """Yield each row as a JSON object with a line break."""
        select = self._select(table, select_values(table.columns))
        for line in self._copy(f"COPY (SELECT row_to_json(r) FROM ({select}) r) TO STDOUT", table):
            yield line.replace(b"\\\\", b"\\") if b"\\" in line else line  # COPY doubles them; a JSON text holds no other escape of COPY's

    def tuples(self, table: Table, *, types: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield each row as Python values: `types` are names of PostgreSQL's types, one a column."""
        values = ", ".join(f'({printed(column)})::{kind} AS "{column.name}"' for column, kind in zip(table.columns, types, strict=True))
        with self._copying(f"COPY ({self._select(table, values)}) TO STDOUT", table) as copy:
            copy.set_types(types)
            yield from copy.rows()

    def head(self, table: Table, *, rows: int, longest_ms: int) -> tuple[list[tuple[str | None, ...]], int]:
        """Return the first rows, each cell as it stands in CSV, and how many rows there are. Of a table that is read in the order of an index they
        are not counted: as many as were read. Raises psycopg.errors.QueryCanceled where the database needs longer."""
        count = "0" if table.is_in_order else "count(*) OVER ()"
        cells = select_cells(table.columns, for_people=table.for_people)
        self._connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(longest_ms)])
        found = self._connection.execute(f"{self._select(table, f'{count}, {cells}')} LIMIT {rows:d}", self._parameters(table)).fetchall()
        read = [tuple(None if cell is None else str(cell) for cell in row[1:]) for row in found]
        return read, (int(found[0][0]) or len(read)) if found else 0

    def _select(self, table: Table, values: str) -> str:
        return f"SELECT {values} FROM {table.source} ORDER BY {table.order}"

    def _copy(self, statement: str, table: Table) -> Iterator[bytes]:
        with self._copying(statement, table) as copy:
            for line in copy:
                yield bytes(line)

    @contextmanager
    def _copying(self, statement: str, table: Table) -> Iterator[psycopg.Copy]:
        self._connection.execute("SELECT set_config('enable_sort', %s, true)", ["off" if table.is_in_order else "on"])
        with self._connection.cursor() as cursor, cursor.copy(statement, self._parameters(table)) as copy:
            yield copy

    def _parameters(self, table: Table) -> dict[str, Any]:
        return {**self._common, **table.parameters}


@contextmanager
def moment(*, tenant_id: UUID, days: Stretch) -> Iterator[Moment]:
    """Open a moment of the tenant's book. Row-level security holds in it, as everywhere."""
    with psycopg.connect(database_dsn(), connect_timeout=5, application_name="cascadeflow export") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.platform', '', true), set_config('statement_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true), set_config('work_mem', '64MB', true), set_config('jit', 'off', true)",
            [str(tenant_id), str(LONGEST_MS), str(IDLE_MS)],
        )
        yield Moment(connection, tenant_id=tenant_id, days=days)


