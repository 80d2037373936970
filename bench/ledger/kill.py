"""kill -9 of random workers under load: nothing is overspent, nothing billed is missing, every dead hold is closed within a minute."""

import asyncio
import os
import random
import signal
import time

from bench.ledger.lines import Line, Say, whole, zero
from bench.ledger.matching import match
from bench.ledger.scene import METERED, Scene, Tally, load, scene
from billing.invariants import INVARIANTS

KILLS, CALLERS, DELAY_MS, PATIENCE_S = 20, 32, 60, 90
BUDGETS = [
    {"scope": "tenant", "period": "monthly", "limit": "100", "action": "block"},
    {"scope": "end_user", "period": "daily", "limit": "0.02", "action": "block"},
]


def run(*, quick: bool, say: Say) -> list[Line]:
    kills = 4 if quick else KILLS
    with scene(budgets=BUDGETS, delay_ms=DELAY_MS) as given:
        tally, closing = asyncio.run(_kill(given, kills=kills, say=say))
        given.wait_closed(seconds=PATIENCE_S)
        left = given.one("SELECT count(*) FROM billing_reservation WHERE state = 'open'")
        holds = given.one("SELECT count(*) FROM billing_reservation")
        over = given.one("SELECT count(*) FROM billing_budgetwindow WHERE spent_nusd + held_nusd > limit_nusd")
        windows = given.one("SELECT count(*) FROM billing_budgetwindow")
        broken = given.breaks()
        found = match(given)
    for line in broken[:5]:
        say(f"kill: {line}")
    slowest = max((seconds for seconds, _ in closing), default=0.0)
    orphaned = [orphans for _, orphans in closing if orphans]
    return [
        Line("kill: calls", f"{sum(tally.statuses.values()):,} made, {tally.statuses[200]:,} answered, {found.calls:,} billed; in the book "
             f"{found.exact:,} exactly, {found.marked:,} assumed or estimated", met=tally.statuses[200] > 0),
        zero("kill: overspend", over, of=windows, what="windows"),
        whole("kill: windows off", broken, rules=len(INVARIANTS), over=f"{windows:,} windows"),
        zero("kill: paid calls without an entry", found.missing, of=found.calls, what="calls that the upstream billed, each looked for"),
        zero("kill: entries with other tokens than were billed", found.wrong, of=found.calls, what="calls that the upstream billed"),
        Line("kill: entries below the provider's bill", f"{found.below_nusd:,} nano-USD of {found.bill_nusd:,}, entry by entry", "target 0",
             met=found.below_nusd == 0 and found.bill_nusd > 0),
        zero("kill: holds left open", left, of=holds, what="holds"),
        Line("kill: seconds until a dead worker's holds are closed",
             f"{slowest:.1f} at most, over {len(closing)} kills, {len(orphaned)} of which left {sum(orphaned)} holds open", "target < 60",
             met=slowest < 60 and len(closing) == kills and bool(orphaned)),
    ]  # fmt: skip


async def _kill(given: Scene, *, kills: int, say: Say) -> tuple[Tally, list[tuple[float, int]]]:
    """Returns what became of the calls, and for each kill the seconds until no hold of the dead was open, and how many were at first."""
    tally, stop = Tally(), asyncio.Event()
    loading = asyncio.create_task(load(given, tally, callers=CALLERS, until=stop, model=METERED))
    waits = []
    for number in range(1, kills + 1):
        await asyncio.sleep(random.uniform(1.0, 2.5))
        victim = random.choice(await _workers(given))
        os.kill(victim, signal.SIGKILL)
        waits.append(asyncio.create_task(asyncio.to_thread(_until_closed, given, victim)))
        say(f"kill {number}/{kills}: worker {victim}, {tally.statuses[200]:,} answered so far")
    await asyncio.sleep(2)
    stop.set()
    await loading
    return tally, list(await asyncio.gather(*waits))


async def _workers(given: Scene) -> list[int]:
    """The workers that live; waits for the supervisor to start one where there is none."""
    for _ in range(300):
        if alive := given.workers():
            return alive
        await asyncio.sleep(0.1)
    raise RuntimeError("no worker has lived for 30 s")


def _until_closed(given: Scene, victim: int) -> tuple[float, int]:
    began, owner = time.monotonic(), f"%:{victim}:%"
    orphans = given.one("SELECT count(*) FROM billing_reservation WHERE state = 'open' AND owner LIKE %s", owner)
    closed = given.wait_closed(seconds=PATIENCE_S, owner=owner)
    return (PATIENCE_S if closed is None else time.monotonic() - began), orphans
