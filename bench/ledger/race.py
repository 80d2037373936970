"""64 clients run for one dollar budget that bears exactly 100 calls, over 4 workers and one hot window."""

import asyncio
import itertools
import statistics
import time

from bench import ledger_lane
from bench.ledger.lines import Line, Say, zero
from bench.ledger.scene import FLAT, Scene, Tally, call, clients, scene
from billing.ledger import Ledger
from cascadeflow_site import embedded

CLIENTS, BEARS = 64, 100
POLL_S, PATIENCE_S = 0.005, 120.0


def run(*, quick: bool, say: Say) -> list[Line]:
    rounds = 2 if quick else 10
    admitted, over, looks = [], 0, 0
    for number in range(1, rounds + 1):
        with scene(budgets=[{"scope": "tenant", "period": "total", "limit": "1", "action": "block"}]) as given:
            tally, worst, looked = asyncio.run(_race(given))
            broken = given.breaks()
            billed = len(given.journal())
        admitted.append(tally.statuses[200])
        over += worst > 0 or bool(broken) or billed > BEARS
        looks += looked
        say(f"race {number}/{rounds}: {tally.statuses[200]} admitted, {dict(tally.statuses)}, {broken[:1]}")
    exact = all(count == BEARS for count in admitted)
    if not looks:
        raise RuntimeError("nobody looked at the window while the clients raced")
    return [
        Line("race: admitted of a 100-call budget", f"{min(admitted)} to {max(admitted)} in {rounds} races", "target 100 in each", met=exact),
        zero("race: overspend", over, of=rounds, what=f"races, window looked at {looks:,} times"),
        *_reserves(quick=quick, say=say),
    ]


async def _race(given: Scene) -> tuple[Tally, int, int]:
    tally, done = Tally(), asyncio.Event()
    worst, looked, until = 0, 0, time.monotonic() + PATIENCE_S

    async def watch() -> None:
        nonlocal worst, looked
        while not done.is_set():
            rows = await asyncio.to_thread(given.rows, "SELECT spent_nusd + held_nusd - limit_nusd AS over FROM billing_budgetwindow")
            looked += 1
            worst = max([worst, *(row["over"] for row in rows)])
            await asyncio.sleep(POLL_S)

    async with clients(given, connections=CLIENTS) as session:

        async def client(number: int) -> None:
            while time.monotonic() < until and await call(session, tally, model=FLAT, user=f"u{number}") != 402:
                pass

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        done.set()
        await watching
    return tally, worst, looked


def _reserves(*, quick: bool, say: Say) -> list[Line]:
    """How long a reserve takes and how many there are a second, straight at a Ledger with one hot window among four."""
    with ledger_lane.site() as made:
        subjects = ledger_lane.seed(made, end_users=1000, own_budgets=0)

        async def rounds() -> list[ledger_lane.Round]:
            ledger = Ledger(dsn=made.dsn.replace("postgres:@", f"{embedded.APP}:@"))
            whose = list(itertools.islice(itertools.cycle(subjects), 1000))
            try:
                await ledger_lane.one_round(ledger, whose, in_flight=64, seconds=2)
                ledger_lane.tidy(made)
                return [await ledger_lane.one_round(ledger, whose, in_flight=64, seconds=2 if quick else 5) for _ in range(3)]
            finally:
                await ledger.close()

        found = asyncio.run(rounds())
    of = f"with 64 in flight, medians of {len(found)} rounds of {min(r.pairs for r in found):,} pairs or more"
    say("race: reserves measured")
    return [
        Line("race: reserve p50 / p99", f"{statistics.median(r.p50 for r in found):.1f} / {statistics.median(r.p99 for r in found):.1f} ms {of}"),
        Line("race: throughput", f"{statistics.median(r.per_second for r in found):,.0f} reserve and settle pairs a second {of}"),
    ]
