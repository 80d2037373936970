"""A past for tests: sums of days and of quarters of an hour as the ledger would have left them, taken away again afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from uuid import UUID

import psycopg

from tests import database


class History:
    """Writes what a tenant spent, as the owner of the tables. Amounts are nano-USD."""

    def __init__(self, owner: "psycopg.Connection") -> None:
        self._owner = owner
        self._days: list[tuple[UUID, date, str, str]] = []
        self._tenants: set[UUID] = set()

    def days(self, tenant: UUID, spent: Mapping[date, int], *, dimension: str = "all", value: str = "") -> None:
        self._tenants.add(tenant)
        self._days += [(tenant, day, dimension, value) for day in spent]
        with self._owner.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO billing_dayrollup (tenant_id, day, dimension, value, cost_nusd, entries, input_tokens, output_tokens)"
                " VALUES (%s, %s, %s, %s, %s, 1, 0, 0)",
                [(tenant, day, dimension, value, amount) for day, amount in spent.items()],
            )

    def quarters(self, tenant: UUID, spent: Mapping[datetime, int], *, dimension: str = "all", value: str = "", runs: int = 1) -> None:
        self._tenants.add(tenant)
        with self._owner.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO billing_quarterrollup (tenant_id, start_at, dimension, value, cost_nusd, runs, calls, judged, rejected,"
                " input_tokens, output_tokens) VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0, 0, 0)",
                [(tenant, start, dimension, value, amount, runs, runs) for start, amount in spent.items()],
            )

    def forget(self) -> None:
        """Leave the days that the ledger itself has summed meanwhile."""
        with self._owner.cursor() as cursor:
            cursor.executemany("DELETE FROM billing_dayrollup WHERE tenant_id = %s AND day = %s AND dimension = %s AND value = %s", self._days)
        for table in ("billing_quarterrollup", "billing_forecast"):
            self._owner.execute(f"DELETE FROM {table} WHERE tenant_id = ANY (%s)".encode(), [list(self._tenants)])


@contextmanager
def history() -> Iterator[History]:
    with psycopg.connect(database.owner_dsn(), autocommit=True) as owner:
        written = History(owner)
        try:
            yield written
        finally:
            written.forget()
