"""A site with workers, an upstream that bills, and clients that call: the stage of the parts that crash things."""

import asyncio
import json
import os
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psycopg
from msgspec import Struct, field
from psycopg.rows import dict_row

from bench.site import Site, serving, site, upstream
from tenants.keys import new_key

FLAT, METERED = "flat", "metered"
"""A model that costs a cent a request, whatever is said; and one with prices per token."""
WORKERS = 4


class Billed(NamedTuple):
    """One call, as the upstream bills it."""

    answer: str
    end_user: str
    model: str
    input_tokens: int
    output_tokens: int


class Scene(Struct):
    """Everything a part needs. `dsn` sees all rows."""

    url: str
    provider: str
    key: str
    made: Site

    @property
    def dsn(self) -> str:
        return self.made.dsn

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> Any:
        (row,) = self.rows(query, *values)
        (value,) = row.values()
        return value

    def journal(self) -> list[Billed]:
        """Each call that the upstream bills, in order. Its truth."""
        with urllib.request.urlopen(f"{self.provider}/journal") as reply:
            return [Billed(*row) for row in json.load(reply)]

    def breaks(self) -> list[str]:
        """The invariants that do not hold, as check_ledger says them; or why it could not say."""
        done = self.made.manage("check_ledger")
        if not done.returncode:
            return []
        return [line for line in done.stderr.splitlines() if line.strip()] or [f"check_ledger ended with {done.returncode}"]

    def workers(self) -> list[int]:
        """Process ids of the web workers."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
            except OSError:
                continue
            if b"spawn_main" in command and str(self.made.folder).encode() in environment:
                found.append(int(path.name))
        return found

    def wait_closed(self, *, seconds: float, owner: str = "%") -> float | None:
        """Wait until no hold of such owners is open; return how long that took, or None if it never came."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if not self.one("SELECT count(*) FROM billing_reservation WHERE state = 'open' AND owner LIKE %s", owner):
                return time.monotonic() - began
            time.sleep(0.25)
        return None


@contextmanager
def scene(*, budgets: Sequence[dict[str, str]], delay_ms: int = 0, workers: int = WORKERS) -> Iterator[Scene]:
    """A fresh database, an upstream, a tenant with these budgets, and a site of so many workers."""
    key = new_key()
    suffix = f"@{delay_ms}ms" if delay_ms else ""
    with site() as made, upstream(folder=made.folder, journal=True) as provider:
        models = [
            {"name": FLAT, "provider": "openai", "upstream_name": f"{FLAT}{suffix}", "price": {"input": "0", "output": "0", "request": "0.01"}},
            {"name": METERED, "provider": "openai", "upstream_name": f"{METERED}{suffix}", "price": {"input": "0.15", "output": "0.60"}},
        ]
        tenant = {
            "slug": "bench", "default_tier": "pro", "providers": [{"name": "openai", "provider": "openai", "base_url": f"{provider}/v1"}],
            "models": models, "tiers": [{"name": "pro"}], "budgets": list(budgets), "keys": [{"name": "bench", "key_env": "BENCH_KEY"}],
        }  # fmt: skip
        made.provision({"tenants": [tenant]}, BENCH_KEY=key)
        environment = {**os.environ, **made.environment, "ALLOW_PRIVATE_ENDPOINTS": "127.0.0.0/8", "LOG_LEVEL": "ERROR"}
        with serving("cascadeflow_site.asgi:application", workers=workers, environment=environment, folder=made.folder, path="/healthz") as url:
            yield Scene(url=url, provider=provider, key=key, made=made)


class Tally(Struct):
    """What became of the calls: how many ended with which status (0: the connection broke), and the runs that were acknowledged."""

    statuses: Counter[int] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)


@asynccontextmanager
async def clients(given: Scene, *, connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": f"Bearer {given.key}", "content-type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(
        given.url, headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(limit=connections)
    ) as session:
        yield session


async def call(session: aiohttp.ClientSession, tally: Tally, *, model: str, user: str, max_tokens: int = 256) -> int:
    """One call; its status, or 0 where the connection broke."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Where is my order?"}], "user": user, "max_tokens": max_tokens})
    try:
        async with session.post("/v1/chat/completions", data=body) as reply:
            await reply.read()
            status = reply.status
            if status == 200:
                tally.runs.append(reply.headers["x-cascadeflow-run-id"])
    except (aiohttp.ClientError, TimeoutError, OSError):
        status = 0
    tally.statuses[status] += 1
    return status


async def load(given: Scene, tally: Tally, *, callers: int, until: asyncio.Event, model: str, users: int = 20, calls: int = 3_000) -> None:
    """So many callers, each calling again and again until the event. After so many calls other end users come, whose budgets are whole."""
    async with clients(given, connections=callers) as session:

        async def caller(number: int) -> None:
            turn = 0
            while not until.is_set():
                turn += 1
                crowd = sum(tally.statuses.values()) // calls
                status = await call(session, tally, model=model, user=f"u{crowd}-{(number + turn) % users}")
                if status != 200:
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(caller(number) for number in range(callers)))
