"""What one process holds between calls: HTTP session, ledger, look-up connections, configurations, keys and end users seen."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from aiohttp import ClientSession
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from msgspec import Struct
from psycopg.rows import class_row, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from billing.engine.callbacks import EnforcementCallbacks
from billing.engine.tracking import WindowSum
from billing.housekeeping import database_dsn
from billing.ledger import Ledger, LedgerUnavailable, Subject
from billing.ledger.lane import Lane
from billing.standing import STANDING, standing_batch
from cascade import config
from cascade.engine.agent import CascadeAgent
from cascade.engine.breaker import ConnectionBreaker
from cascade.engine.errors import InvalidRequest, NotSetUp
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.providers.registry import SIMULATED, build_provider
from cascade.engine.providers.simulated import SimulatedProvider
from cascade.engine.providers.transport import open_session
from cascade.engine.values import Completion, CompletionRequest
from cascade.hooks import callbacks_of_installation, callbacks_of_tenant
from cascade.telemetry.process import BreakerStanding, telemetry
from tenants.authentication import FIND_KEY, Caller, KeyRing
from tenants.encryption import UnreadableSecret
from tenants.end_users import end_user_id

log = logging.getLogger(__name__)
END_USERS_KEPT = 50_000
LOOK_UP_CONNECTIONS = 3
"""Of each pool: one for keys and end users, one, which opens when it is first used, for what callbacks are told of budgets."""
FAREWELL_S = 10.0
"""How long a process that ends waits for runs whose callers are gone; what is not done by then is left to the sweep."""
T = TypeVar("T")
_of_loop: dict[int, "Runtime"] = {}


class TenantRuntime(Struct, frozen=True):
    """A tenant's configuration, ready to use."""

    config: config.TenantConfig
    agent: CascadeAgent
    providers: Mapping[str, BaseProvider]
    callbacks: EnforcementCallbacks


class EndUserSeen(Struct, frozen=True):
    id: UUID
    tier: str | None
    is_blocked: bool
    wait_s: float = 0.0
    """More than 0: the tenant had too many new end users of late, and this one was not created; so long until there is room."""


class Runtime:
    """One event loop's share of the process. Open it with `Runtime.open()`, end it with `close()`."""

    def __init__(
        self, *, session: ClientSession, hook_session: ClientSession, pool: AsyncConnectionPool, standings: AsyncConnectionPool, dsn: str,
        callbacks: EnforcementCallbacks,
    ) -> None:
        self._callbacks = callbacks
        self.session, self.hook_session, self.pool, self.standings = session, hook_session, pool, standings
        self.ledger = Ledger(dsn=dsn, memory=Path(settings.LEDGER_MEMORY) if settings.LEDGER_MEMORY else None)
        self.traces = Lane(dsn=dsn, function="cascade_record_runs")
        self.keys = KeyRing(fetch=self._find_key)
        self._tenants: dict[UUID, TenantRuntime] = {}
        self._breakers: dict[UUID, dict[config.ConnectionConfig, ConnectionBreaker]] = {}
        self._loading: dict[UUID, asyncio.Lock] = {}
        self._end_users: dict[tuple[UUID, str, str | None, int], EndUserSeen] = {}
        self._runs: set[asyncio.Task[Any]] = set()
        self.told_unpriced: set[tuple[UUID, str, date]] = set()
        """Models of which this process has said today that calls are refused for want of a price (cascade/alarms.py)."""
        self.telemetry = telemetry()
        self._telling = asyncio.get_running_loop().create_task(self._keep_telling(), name="telemetry") if self.telemetry.is_on else None

    @classmethod
    async def open(cls) -> "Runtime":
        callbacks = callbacks_of_installation()
        dsn = database_dsn()
        pool, standings = _pool(dsn, name="look-ups", least=1), _pool(dsn, name="standings", least=0)
        await pool.open()
        await standings.open()
        # What callbacks need is apart: a tenant whose address hangs takes no connection from the calls of others.
        session, hook_session = (open_session(allow_private=settings.ALLOW_PRIVATE_ENDPOINTS) for _ in range(2))
        runtime = cls(session=session, hook_session=hook_session, pool=pool, standings=standings, dsn=dsn, callbacks=callbacks)
        _of_loop[id(asyncio.get_running_loop())] = runtime
        return runtime

    async def close(self) -> None:
        """Finish what is under way in the ledger, then let go of everything."""
        _of_loop.pop(id(asyncio.get_running_loop()), None)
        if self._runs:
            await asyncio.wait(self._runs, timeout=FAREWELL_S)
        await self.ledger.close()
        await self.traces.close()
        if self._telling is not None:
            self._telling.cancel()
            self.telemetry.finish()
        for tenant in self._tenants.values():
            await _close_providers(tenant)
        await self.pool.close()
        await self.standings.close()
        await self.session.close()
        await self.hook_session.close()

    async def see_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work comes to. It goes on to its end also when nobody waits for it any more."""
        return await asyncio.shield(self.start(work))

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that `close()` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._runs.add(task)
        task.add_done_callback(self._forget)
        return task

    def record(self, trace: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Keep a run's trace, soon. It is worth less than the answer: nobody need wait for it, and losing one is logged, nothing more."""
        try:
            recorded = self.traces.enqueue(trace)
        except LedgerUnavailable as away:
            recorded = asyncio.get_running_loop().create_future()
            recorded.set_exception(away)
        recorded.add_done_callback(_log_lost_trace)
        return recorded

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._runs.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; if nobody did, it was told to the trace

    async def tenant(self, caller: Caller, *, now: datetime) -> TenantRuntime:
        """Return the newest configuration that the caller's key look-up knows of. Read again when it changed."""
        found = self._tenants.get(caller.tenant_id)
        if found is not None and _is_current(found, caller, now):
            return found
        async with self._loading.setdefault(caller.tenant_id, asyncio.Lock()):
            found = self._tenants.get(caller.tenant_id)
            if found is None or not _is_current(found, caller, now):
                loaded = await sync_to_async(_load)(caller.tenant_id, now)
                providers = {connection.name: self._provider(connection) for connection in loaded.connections}
                agent = CascadeAgent(config=loaded.agent, providers=providers, breakers=self._breakers_of(caller.tenant_id, loaded.connections))
                callbacks = callbacks_of_tenant(loaded.hooks, beside=self._callbacks, session=self.hook_session)
                found = TenantRuntime(loaded, agent, providers, callbacks)
                self._tenants[caller.tenant_id] = found
        return found

    async def see_end_user(self, caller: Caller, *, external_id: str, tier: str | None) -> EndUserSeen:
        """Return what is known of an end user, created on first sight. Remembered until one of the tenant's end users is changed."""
        key = (caller.tenant_id, external_id, tier, caller.end_users_version)
        found = self._end_users.get(key)
        if found is not None:
            return found
        identity = end_user_id(salt=caller.end_user_salt, external_id=external_id)
        row = await self._one("SELECT * FROM tenants_see_end_user(%s, %s, %s, %s)", (caller.tenant_id, identity, external_id, tier))
        seen = EndUserSeen(identity, row["tier"], row["is_blocked"], row["wait_s"]) if row else EndUserSeen(identity, None, is_blocked=False)
        if seen.wait_s:
            return seen
        if len(self._end_users) >= END_USERS_KEPT:
            self._end_users.clear()
        self._end_users[key] = seen
        return seen

    async def open_holds(self, tenant_id: UUID, windows: Sequence[int], *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the newest holds in some of the tenant's windows, for people to read. Nothing where they cannot be had: a refusal is one anyway."""
        try:
            async with self.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute("SELECT * FROM billing_open_holds(%s, %s, %s)", (tenant_id, list(windows), limit))
                return await cursor.fetchall()
        except (psycopg.Error, PoolTimeout, OSError):
            return ()

    async def standing(self, subject: Subject, *, now: datetime) -> Sequence[WindowSum]:
        """Return each budget window that would bind a call of the subject at `now`. Raises LedgerUnavailable."""
        batch = standing_batch(
            tenant_id=subject.tenant_id, zone=subject.time_zone, end_user_id=subject.end_user_id, end_user_name=subject.end_user_name,
            api_key=str(subject.api_key_id) if subject.api_key_id else None, tier=subject.tier, tags=subject.tags,
        )
        try:
            async with self.standings.connection() as connection, connection.cursor(row_factory=class_row(WindowSum)) as cursor:
                await cursor.execute(STANDING, (batch, now))
                return await cursor.fetchall()
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError, OSError) as away:
            raise LedgerUnavailable("the database is away") from away

    async def is_healthy(self) -> bool:
        try:
            return await asyncio.wait_for(self._one("SELECT 1 AS one", ()), timeout=3.0) is not None
        except (LedgerUnavailable, TimeoutError):
            return False

    async def _find_key(self, digest: bytes) -> Mapping[str, Any] | None:
        return await self._one(FIND_KEY, (digest,))

    async def _one(self, statement: Any, parameters: tuple[Any, ...]) -> Mapping[str, Any] | None:
        try:
            async with self.pool.connection() as connection:
                cursor = await connection.execute(statement, parameters)
                row: Any = await cursor.fetchone()
                return row  # type: ignore[no-any-return]
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError, OSError) as away:
            raise LedgerUnavailable("the database is away") from away

    def _breakers_of(self, tenant_id: UUID, connections: Sequence[config.ConnectionConfig]) -> dict[str, ConnectionBreaker]:
        """Return the breaker of each connection by name. One whose address or credential changed begins anew, others keep what they know."""
        known = self._breakers.get(tenant_id, {})
        kept = self._breakers[tenant_id] = {connection: known.get(connection) or ConnectionBreaker() for connection in connections}
        return {connection.name: breaker for connection, breaker in kept.items()}

    async def _keep_telling(self) -> None:
        await self.telemetry.keep_digesting(breakers=self._breaker_standings)

    def _breaker_standings(self) -> Iterator[BreakerStanding]:
        for tenant_id, kept in self._breakers.items():
            found = self._tenants.get(tenant_id)
            if found is not None:
                yield from (BreakerStanding(found.config.slug, connection.name, not breaker.is_closed) for connection, breaker in kept.items())

    def _provider(self, connection: config.ConnectionConfig) -> BaseProvider:
        if connection.provider == SIMULATED.slug:
            return SimulatedProvider(name=connection.name, latency_scale=settings.SIMULATED_LATENCY_SCALE)
        try:
            return build_provider(
                spec=connection.provider, name=connection.name, session=self.session, base_url=connection.base_url,
                api_key=connection.credential.reveal() or None,
            )
        except InvalidRequest as wrong:
            return MisconfiguredProvider(name=connection.name, problem=wrong.message)
        except UnreadableSecret as lost:
            return MisconfiguredProvider(name=connection.name, problem=str(lost))


class MisconfiguredProvider(BaseProvider):
    """Stands for a connection that cannot be used as it is set up: the tenant's other connections answer all the same."""

    def __init__(self, *, name: str, problem: str) -> None:
        self.name, self._problem = name, problem

    async def complete(self, request: CompletionRequest) -> Completion:
        raise NotSetUp(f"The connection {self.name} cannot be used as it is set up: {self._problem}", provider=self.name)

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        yield {"choices": [], "message": (await self.complete(request)).message}


def current() -> Runtime | None:
    """The runtime of this event loop, if one is open."""
    return _of_loop.get(id(asyncio.get_running_loop()))


@contextlib.asynccontextmanager
async def borrowed() -> AsyncIterator[Runtime]:
    """The runtime of this event loop; where none is open (a command, a test client), one for the block alone."""
    running = current()
    if running is not None:
        yield running
        return
    runtime = await Runtime.open()
    try:
        yield runtime
    finally:
        await runtime.close()


def _pool(dsn: str, *, name: str, least: int) -> AsyncConnectionPool:
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row, "application_name": f"cascadeflow {name}"}
    return AsyncConnectionPool(dsn, min_size=least, max_size=LOOK_UP_CONNECTIONS, open=False, timeout=5.0, kwargs=options)


def _load(tenant_id: UUID, now: datetime) -> config.TenantConfig:
    """Raises LedgerUnavailable while the database is away. No request ends here, so Django must be told to look at its connection."""
    close_old_connections()
    try:
        return config.load(tenant_id=tenant_id, now=now)
    except (OperationalError, InterfaceError) as away:
        raise LedgerUnavailable("the database is away") from away


def _is_current(found: TenantRuntime, caller: Caller, now: datetime) -> bool:
    return found.config.version >= caller.config_version and (found.config.changes_at is None or found.config.changes_at > now)


def _log_lost_trace(recorded: asyncio.Future[Any]) -> None:
    if not recorded.cancelled() and recorded.exception() is not None:
        log.warning("the trace of a run was not recorded: %s", recorded.exception())


async def _close_providers(tenant: TenantRuntime) -> None:
    for provider in tenant.providers.values():
        await provider.close()
