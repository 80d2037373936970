"""kill -9 of random workers under load: nothing is overspent, nothing billed is missing, every dead hold is closed within a minute."""

import asyncio
import os
import random
import signal
import time

from bench.ledger.lines import Line, Say, zero
from bench.ledger.scene import METERED, Scene, Tally, load, scene
from billing.engine.pricing import Price, Usage, cost_nusd

KILLS, CALLERS, DELAY_MS, PATIENCE_S = 20, 32, 60, 90
PRICE = Price(version="", input_nusd=150_000_000, output_nusd=600_000_000)
BUDGETS = [
    {"scope": "tenant", "period": "monthly", "limit": "100", "action": "block"},
    {"scope": "end_user", "period": "daily", "limit": "0.02", "action": "block"},
]


def run(*, quick: bool, say: Say) -> list[Line]:
    kills = 4 if quick else KILLS
    with scene(budgets=BUDGETS, delay_ms=DELAY_MS) as given:
        tally, closing, shots = asyncio.run(_kill(given, kills=kills, say=say))
        given.wait_closed(seconds=PATIENCE_S)
        over = given.one("SELECT count(*) FROM billing_budgetwindow WHERE spent_nusd + held_nusd > limit_nusd")
        windows = given.one("SELECT count(*) FROM billing_budgetwindow")
        broken = given.breaks()
        booked = given.one("SELECT count(*) FROM billing_costentry WHERE kind IN ('settled', 'estimated', 'assumed')")
        amount = given.one("SELECT coalesce(sum(amount_nusd), 0) FROM billing_costentry")
        assumed = given.one("SELECT count(*) FROM billing_costentry WHERE kind = 'assumed'")
        sums = list(given.billed().values())
    calls = sum(each["calls"] for each in sums)
    bill = sum(cost_nusd(usage=Usage(input_tokens=each["prompt_tokens"], output_tokens=each["completion_tokens"]), price=PRICE) for each in sums)
    slowest = max(closing, default=0.0)
    return [
        Line("kill: calls", f"{sum(tally.statuses.values()):,} made, {tally.statuses[200]:,} answered, {calls:,} billed, {assumed:,} assumed"),
        zero("kill: overspend", over, of=windows, what="windows"),
        zero("kill: windows off", len(broken), of=windows, what="windows, all invariants checked"),
        zero("kill: paid calls without an entry", max(0, calls - booked), of=calls, what="calls that the upstream billed"),
        Line("kill: entries below the provider's bill", f"{max(0, bill - int(amount))} nano-USD of {bill:,}", "target 0", met=int(amount) >= bill),
        Line("kill: seconds until a dead worker's holds are closed", f"{slowest:.1f} at most, over {shots} kills", "target < 60", met=slowest < 60),
    ]


async def _kill(given: Scene, *, kills: int, say: Say) -> tuple[Tally, list[float], int]:
    tally, stop = Tally(), asyncio.Event()
    loading = asyncio.create_task(load(given, tally, callers=CALLERS, until=stop, model=METERED))
    waits = []
    for number in range(1, kills + 1):
        await asyncio.sleep(random.uniform(1.0, 2.5))
        alive = given.workers()
        if not alive:
            continue
        victim = random.choice(alive)
        os.kill(victim, signal.SIGKILL)
        waits.append(asyncio.create_task(asyncio.to_thread(_until_closed, given, victim)))
        say(f"kill {number}/{kills}: worker {victim}, {tally.statuses[200]:,} answered so far")
    await asyncio.sleep(2)
    stop.set()
    await loading
    return tally, list(await asyncio.gather(*waits)), len(waits)


def _until_closed(given: Scene, victim: int) -> float:
    began = time.monotonic()
    given.wait_closed(seconds=PATIENCE_S, owner=f"%:{victim}:%")
    return time.monotonic() - began
