"""The one writer of money: reserve, mark_sent, settle, release, sweep."""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from billing.ledger.answers import hold_of
from billing.ledger.batches import in_batches
from billing.ledger.beats import BeatMemory
from billing.ledger.lane import Lane, RefusedByDatabase
from billing.ledger.values import Entry, Hold, HoldRequest, LedgerUnavailable

log = logging.getLogger(__name__)
SETTLE_PATIENCE_S = 120.0
HEARTBEAT_S = 10.0
ALIVE_S = 40
"""A process that has not said for so long that it lives is taken for dead, and its holds are swept."""
KEY_LIFE_S = 24 * 3600
CLOSE_PATIENCE_S = 2.0
DOUBT_PAUSES_S = (0.0, 0.5, 2.0, 5.0, 10.0)
"""When to look for a hold whose commit is in doubt: the database may still be busy with it after the connection broke."""
SWEEP_BATCH = 500


def owner_name() -> str:
    """Return the name of this process as holds bear it: host, boot id, namespace of process ids, process id and its start.

    So dead owners can be told. Containers may share a host's name and boot; their process ids mean something in their own namespace only.
    """
    with open("/proc/sys/kernel/random/boot_id") as boot:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
        return f"{socket.gethostname()[:32]}-{_machine()}:{boot.read().strip()[:8]}:{namespace}:{os.getpid()}:{_start_of(os.getpid())}"


def _machine() -> str:
    """Return eight characters of the machine's own id, or none where it has none: two machines may bear one name."""
    try:
        with open("/etc/machine-id") as handle:
            return handle.read().strip()[:8]
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """Return when a process started, in ticks since boot. Raises OSError for one that is not."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[19]


class Ledger:
    """Budgets that are never passed and spend that is never lost, over a few connections of its own.

    Make it and use it in one event loop, any number of calls at once; `close()` finishes what waits. `memory` is a file, outside the
    database, that remembers how far the ledger had come, so that a restored database is noticed after a restart too.
    """

    def __init__(self, *, dsn: str, memory: Path | None = None) -> None:
        self.owner = owner_name()
        self._memory = BeatMemory(memory)
        self._dsn = dsn
        self._reserve = Lane(dsn=dsn, function="billing_reserve")
        self._settle = Lane(dsn=dsn, function="billing_settle")
        self._mark = Lane(dsn=dsn, function="billing_mark_sent")
        self._doubtful: set[asyncio.Task[None]] = set()
        self._closing = False
        self._alive = asyncio.get_running_loop().create_task(self._say_alive(), name="ledger heartbeat")

    async def reserve(self, request: HoldRequest) -> Hold:
        """Hold the first rung that fits, in every budget window that applies. Durable when it returns.

        Raises HoldRefused with the arithmetic when no rung fits, RateLimited and TooManyOpen where the caller asks too often, KeyTaken when
        another call has its key, LedgerRewound after a restore, LedgerUnavailable when the database is away (then nothing may be sent; a hold
        whose commit is in doubt is voided in the background).
        Worked number: a daily budget of 1,000,000 nano-USD with 400,000 spent and 300,000 held bears a rung of 300,000, not one of 300,001.
        """
        asked = self._reserve.enqueue(self._item(request))
        try:
            answer = await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._void_later(request, asked)
            raise
        except LedgerUnavailable as away:
            if away.in_doubt:
                self._void_later(request, asked)
            raise
        return hold_of(answer, request=request)

    async def mark_sent(self, hold: Hold, *, leg: int) -> None:
        """Say, durably, that the first byte of a leg is about to leave. The first leg needs no mark.

        Raises LedgerUnavailable: then the leg must not be sent, for a crash would lose its cost.
        """
        status = await self._mark.submit({"id": hold.id, "tenant": hold.tenant_id, "leg": leg})
        if status == "unknown":
            raise RefusedByDatabase(f"the hold {hold.id} has no leg {leg}")
        if status != "marked":
            raise LedgerUnavailable("the hold was closed while the call was running")

    async def settle(self, hold: Hold, *, entries: Sequence[Entry]) -> str:
        """Close the hold with what each leg came to, and free the rest. Returns 'closed', 'late' or 'again'.

        Keeps trying for two minutes while the database is away; after that the sweep books the bound, so nothing is lost.
        Raises ValueError without entries, RefusedByDatabase for a hold that the tenant does not have.
        """
        if not entries:
            raise ValueError("a hold is closed with at least one entry: book a voided one where nothing was sent")
        if all(entry.kind == "voided" for entry in entries):
            state = "voided"
        else:
            state = "assumed" if any(entry.kind == "assumed" for entry in entries) else "settled"
        item = {"id": hold.id, "tenant": hold.tenant_id, "state": state, "entries": entries}
        deadline, pause = asyncio.get_running_loop().time() + SETTLE_PATIENCE_S, 0.05
        while True:
            try:
                status = str(await self._settle.submit(item))
            except LedgerUnavailable:
                if self._closing or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                if status == "unknown":
                    raise RefusedByDatabase(f"the hold {hold.id} is not known to the ledger")
                return status

    async def release(self, hold: Hold, *, entry: Entry) -> str:
        """Close a hold of which nothing was sent: one voided entry, all of the money free again."""
        return await self.settle(hold, entries=[entry])

    async def close(self) -> None:
        """Finish what waits and what is under way. Holds in doubt get a few seconds; the sweep has the rest."""
        await self._reserve.close()
        if self._doubtful:
            _, left = await asyncio.wait(self._doubtful, timeout=CLOSE_PATIENCE_S)
            for task in left:
                task.cancel()
        self._closing = True
        await self._mark.close()
        await self._settle.close()
        self._alive.cancel()
        await asyncio.wait([self._alive])

    def _item(self, request: HoldRequest) -> dict[str, Any]:
        subject = request.subject
        tags = list(dict.fromkeys(subject.tags))  # a tag said twice is meant once
        item = {
            "id": request.id, "tenant": subject.tenant_id, "zone": subject.time_zone, "owner": self.owner, "ttl_s": request.ttl_s,
            "end_user": subject.end_user_id, "end_user_name": subject.end_user_name, "api_key": subject.api_key_id, "tier": subject.tier,
            "tags": tags, "unpriced": request.unpriced,
            "labels": {"tier": subject.tier or "", "domain": request.domain, "preset": request.preset, "tags": tags},
            "rungs": [{"amount": rung.amount, "legs": rung.legs} for rung in request.rungs],
        }
        if request.key is not None:
            key = request.key
            item["key"] = {"endpoint": key.endpoint, "key": key.key, "fingerprint": key.fingerprint.hex(), "ttl_s": KEY_LIFE_S}
        if request.rates:
            item["rates"], item["tokens"] = request.rates, request.tokens
        if request.most_open is not None and subject.end_user_id is not None:
            item["most_open"] = request.most_open
        return item

    async def _say_alive(self) -> None:
        """Whoever falls silent is swept: so holds of a machine that is gone do not wait for their expiry."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="cascadeflow heartbeat"
                ) as connection:
                    while True:
                        async with asyncio.timeout(HEARTBEAT_S):
                            await self._beat(connection)
                        await asyncio.sleep(HEARTBEAT_S)
            except (psycopg.Error, OSError, TimeoutError) as away:
                log.warning("the ledger could not say that it lives: %s", type(away).__name__)
            await asyncio.sleep(1)

    async def _beat(self, connection: psycopg.AsyncConnection[Any]) -> None:
        ledger, known = self._memory.recall()
        cursor = await connection.execute("SELECT * FROM billing_say_alive(%s, %s, %s, %s)", (self.owner, ALIVE_S, ledger, known))
        row = await cursor.fetchone()
        if row is None:
            return
        ledger, beats, is_rewound = row
        if is_rewound:
            log.critical("the ledger was restored from a backup: budgets that block refuse until 'manage.py resume_ledger' is run")
        self._memory.remember(ledger, beats)

    def _void_later(self, request: HoldRequest, asked: asyncio.Future[Any]) -> None:
        """The hold may exist, or come to exist, though nobody waits for it any more: void it, since nothing was sent."""
        task = asyncio.get_running_loop().create_task(self._void(request, asked))
        self._doubtful.add(task)
        task.add_done_callback(self._doubtful.discard)

    async def _void(self, request: HoldRequest, asked: asyncio.Future[Any]) -> None:
        pauses: Sequence[float] = DOUBT_PAUSES_S
        try:
            if "refused" in await asked:
                return
            pauses = (0.0,)
        except LedgerUnavailable as away:
            if not away.in_doubt:
                return
        except RefusedByDatabase:
            return
        leg = request.rungs[0].legs[0]
        entry = Entry(leg=0, kind="voided", amount=0, step=leg.step, provider=leg.provider, model=leg.model, outcome="not sent")
        hold = Hold(id=request.id, tenant_id=request.subject.tenant_id, rung=0, remaining_nusd=None)
        for pause in pauses:
            await asyncio.sleep(pause)
            try:
                await self.settle(hold, entries=[entry])
                return
            except RefusedByDatabase:
                log.info("the hold in doubt %s is not there", request.id)
            except LedgerUnavailable:
                log.warning("the hold in doubt %s is left to the sweep", request.id)
                return


def sweep(*, dsn: str, dead_owners: Sequence[str] = ()) -> int:
    """Close every hold that expired or whose owner is known to be dead, at its bound. Returns how many; safe to run anywhere, any time."""
    return in_batches(dsn=dsn, function="billing_sweep", most=SWEEP_BATCH, further=(list(dead_owners),))


def dead_owners(*, dsn: str) -> list[str]:
    """Return the owners of open holds that ran on this machine and no longer live: other hosts' owners are never judged."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        rows = connection.execute("SELECT * FROM billing_open_owners()").fetchall()
    return [owner for (owner,) in rows if _is_dead(owner)]


def _is_dead(owner: str) -> bool:
    host, boot, namespace, pid, started = (owner.split(":") + [""] * 4)[:5]
    my_host, my_boot, my_namespace, *_ = owner_name().split(":")
    if host != my_host:
        return False
    if boot != my_boot:
        return bool(_machine())  # another boot of this machine, or, where machines have no ids, perhaps another machine
    if namespace != my_namespace or not pid.isdigit():
        return False
    try:
        return _start_of(int(pid)) != started
    except OSError:
        return True


def ensure_partitions(*, dsn: str, months_ahead: int = 3) -> int:
    """Make the partitions of the coming months. Returns how many were made."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        row = connection.execute("SELECT billing_ensure_partitions(%s)", (months_ahead,)).fetchone()
        return int(row[0]) if row else 0


__all__ = ["Ledger", "dead_owners", "ensure_partitions", "owner_name", "sweep"]
