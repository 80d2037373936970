"""Group commit: whatever waits in the same tick shares one connection, one round trip and one fsync."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec
import psycopg
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads

from billing.ledger.values import LedgerError, LedgerUnavailable

log = logging.getLogger(__name__)
MOST_PER_BATCH = 64
MOST_WAITING = 4096
MANY, GATHERING_S = 8, 0.0015
"""Under load each batch waits a moment for more: a transaction costs the database as much as seven of its items."""
PATIENCE_S = 10.0
"""A batch without an answer for so long is given up: the database may be gone without having said so."""
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction, OSError)

Waiting = tuple[bytes, asyncio.Future[Any]]


class RefusedByDatabase(LedgerError):
    """The database would not take an item: a constraint speaks, so a bug of ours. Nothing was written."""


class Lane:
    """Calls one SQL function, `SELECT * FROM function(batch jsonb)`, that answers one row `(number from 1, value)` an item.

    Items that arrive while a batch is under way form the next one; a lone item never waits. A batch that the database refuses is tried again item by
    item, so that one bad item spoils no other; when the database is away each waiting item gets LedgerUnavailable.
    """

    def __init__(self, *, dsn: str, function: str) -> None:
        self._dsn = dsn
        self._statement = f"SELECT * FROM {function}(%s::jsonb)"  # noqa: S608 - the name is ours
        self._waiting: list[Waiting] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"lane {function}")

    async def submit(self, item: Any) -> Any:
        """Return the database's answer for `item` once it is durable. Raises LedgerUnavailable, RefusedByDatabase."""
        return await self.enqueue(item)

    def enqueue(self, item: Any) -> asyncio.Future[Any]:
        """Return what will be the answer. The item is carried even if nobody awaits it. Raises LedgerUnavailable."""
        if self._closing:
            raise LedgerUnavailable("the ledger was stopped")
        if len(self._waiting) >= MOST_WAITING:
            raise LedgerUnavailable("too many calls are waiting for the ledger")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(item), future))
        self._wake.set()
        return future

    async def close(self) -> None:
        """Finish what waits and what is under way, then end."""
        self._closing = True
        self._wake.set()
        await asyncio.wait([self._task])
        await self._disconnect()

    async def _run(self) -> None:
        carried = 0
        try:
            while not self._closing or self._waiting:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    if carried >= MANY:
                        await asyncio.sleep(GATHERING_S)
                    carried = min(len(self._waiting), MOST_PER_BATCH)
                    batch, self._waiting = self._waiting[:MOST_PER_BATCH], self._waiting[MOST_PER_BATCH:]
                    await self._carry(batch)
        finally:
            self._closing = True
            self._fail(self._waiting, LedgerUnavailable("the ledger was stopped"))

    async def _carry(self, batch: Sequence[Waiting]) -> None:
        asked = False
        try:
            connection = self._connection or await self._connect()
            asked = True
            answers = await self._call(connection, [item for item, _ in batch])
        except AWAY as away:
            await self._disconnect()
            self._fail(batch, _unavailable(f"the ledger's database is away: {type(away).__name__}", in_doubt=asked and not _was_rolled_back(away)))
            if not asked:  # nobody answers: who waits is told at once, not batch by batch
                waiting, self._waiting = self._waiting, []
                self._fail(waiting, LedgerUnavailable("the ledger's database is away"))
        except psycopg.Error as refused:
            if len(batch) == 1:
                log.error("the ledger's database refused an item: %s", refused.diag.message_primary)
                self._fail(batch, RefusedByDatabase(str(refused.diag.message_primary)))
            else:
                for number, one in enumerate(batch, 1):
                    await self._carry([one])
                    if self._connection is None:
                        self._fail(batch[number:], LedgerUnavailable("the ledger's database is away"))
                        break
        except BaseException as stopped:
            self._fail(batch, _unavailable("the ledger was stopped", in_doubt=asked))
            if not isinstance(stopped, Exception):
                raise
            log.exception("a batch of the ledger failed")
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _call(self, connection: psycopg.AsyncConnection[tuple[Any, ...]], items: Sequence[bytes]) -> list[Any]:
        async with asyncio.timeout(PATIENCE_S):
            cursor = await connection.execute(self._statement, (f"[{b','.join(items).decode()}]",))
            rows = sorted(await cursor.fetchall(), key=itemgetter(0))
        if [number for number, _ in rows] != list(range(1, len(items) + 1)):
            raise RuntimeError(f"{self._statement} answered {len(rows)} rows for {len(items)} items")
        return [answer for _, answer in rows]

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, prepare_threshold=0, row_factory=tuple_row, connect_timeout=5, application_name="cascadeflow ledger"
        )
        set_json_loads(msgspec.json.decode, connection)
        self._connection = connection
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.close()

    @staticmethod
    def _fail(batch: Sequence[Waiting], error: LedgerError) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def _was_rolled_back(error: Exception) -> bool:
    """Did the server itself say no (a lock that was not to be had, a full disk), and not merely go away?"""
    state = getattr(error, "sqlstate", None)
    return state is not None and not state.startswith(("08", "57P"))


def _unavailable(message: str, *, in_doubt: bool) -> LedgerUnavailable:
    error = LedgerUnavailable(message)
    error.in_doubt = in_doubt
    return error
