"""Group commit: whatever waits in the same tick shares one connection, one round trip and one fsync."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import tuple_row

from billing.ledger.values import LedgerError, LedgerUnavailable

log = logging.getLogger(__name__)
MOST_PER_BATCH = 64
MOST_WAITING = 4096


class RefusedByDatabase(LedgerError):
    """The database would not take an item: a constraint speaks, so a bug of ours. Nothing was written."""


class Lane:
    """Calls one SQL function, `SELECT * FROM function(batch jsonb)`, that answers one row `(number from 1, value)` an item.

    Items that arrive while a batch is under way form the next one. A batch that the database refuses is tried again item by
    item, so that one bad item spoils no other; when the database is away each waiting item gets LedgerUnavailable.
    """

    def __init__(self, *, dsn: str, function: str) -> None:
        self._dsn = dsn
        self._statement = f"SELECT * FROM {function}(%s::jsonb)"  # noqa: S608 - the name is ours
        self._waiting: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._wake = asyncio.Event()
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"lane {function}")

    async def submit(self, item: Any) -> Any:
        """Return the database's answer for `item` once it is durable. Raises LedgerUnavailable, RefusedByDatabase."""
        if len(self._waiting) >= MOST_WAITING:
            raise LedgerUnavailable("too many calls are waiting for the ledger")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(item), future))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Finish what waits, then end."""
        while self._waiting:
            await asyncio.sleep(0.01)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._disconnect()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_PER_BATCH], self._waiting[MOST_PER_BATCH:]
                await self._carry(batch)

    async def _carry(self, batch: Sequence[tuple[bytes, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._call([item for item, _ in batch])
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as away:
            await self._disconnect()
            self._fail(batch, LedgerUnavailable(f"the ledger's database is away: {type(away).__name__}"))
        except psycopg.Error as refused:
            if len(batch) == 1:
                log.error("the ledger's database refused an item: %s", refused.diag.message_primary)
                self._fail(batch, RefusedByDatabase(str(refused.diag.message_primary)))
            else:
                for one in batch:
                    await self._carry([one])
        except BaseException as stopped:
            self._fail(batch, LedgerUnavailable("the ledger was stopped"))
            if not isinstance(stopped, Exception):
                raise
            log.exception("a batch of the ledger failed")
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _call(self, items: Sequence[bytes]) -> list[Any]:
        connection = self._connection or await self._connect()
        cursor = await connection.execute(self._statement, (f"[{b','.join(items).decode()}]",))
        return [row[1] for row in await cursor.fetchall()]

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        self._connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, prepare_threshold=0, row_factory=tuple_row, connect_timeout=5, application_name="cascadeflow ledger"
        )
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.close()

    @staticmethod
    def _fail(batch: Sequence[tuple[bytes, asyncio.Future[Any]]], error: LedgerError) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
