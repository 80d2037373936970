"""Many at once, in several processes and connections. The two traps of the design are kept here: locking and updating in one statement
(spurious errors of the CHECK), and its repair (holds that hold nothing)."""

import asyncio
import json
import random
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from billing.ledger import Hold, HoldRefused, Ledger, LedgerUnavailable
from tests import database
from tests.billing.ledger.conftest import Till, attempt, entry

SECONDS = 3.0
STATE_QUERY = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def deadlocks(till: Till) -> int:
    row = till.owner.execute(STATE_QUERY).fetchone()
    assert row is not None
    return int(row["deadlocks"])


def test_processes_that_race_for_the_same_windows_pass_no_limit_and_lose_no_hold(till: Till) -> None:
    users = [[str(till.subject(name).end_user_id), name] for name in ("ann", "ben", "cem", "dan", "eve")]
    limits = {
        till.budget(60_000): 60_000, till.budget(25_000, scope="end_user"): 25_000, till.budget(30_000, scope="tag", subject="a"): 30_000,
        till.budget(3_000, scope="tier", subject="free", action="degrade"): 3_000, till.budget(5_000, action="warn", period="weekly"): None,
    }
    before = deadlocks(till)
    shared: dict[str, Any] = {"dsn": database.app_dsn(), "tenant": str(till.tenant_id), "users": users, "seconds": SECONDS}
    command = [sys.executable, "-m", "tests.billing.ledger.racing"]
    workers = [
        subprocess.Popen([*command, json.dumps({**shared, "seed": seed})], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for seed in range(3)
    ]
    counts = []
    for worker in workers:
        out, err = worker.communicate(timeout=60)
        assert worker.returncode == 0, err[-2000:]
        counts.append(json.loads(out))
    assert [count["errors"] + count["away"] for count in counts] == [0, 0, 0]
    held = sum(count["held"] for count in counts)
    assert held > 300
    assert deadlocks(till) == before
    for budget, limit in limits.items():
        for window in till.windows(budget):
            assert window["held_nusd"] == 0
            assert limit is None or window["spent_nusd"] <= limit
    row = till.owner.execute(
        "SELECT count(*) AS holds, sum(actual_nusd) AS spent, min(cardinality(window_ids)) AS least FROM billing_reservation WHERE tenant_id = %s",
        [till.tenant_id],
    ).fetchone()
    assert row == {"holds": held, "spent": sum(count["spent"] for count in counts), "least": 4}


@pytest.mark.asyncio
async def test_lanes_with_overlapping_windows_in_different_order_do_not_deadlock(till: Till) -> None:
    for scope, subject in (("tenant", ""), ("end_user", ""), ("tier", "free"), ("tag", "a"), ("tag", "b"), ("tag", "c")):
        till.budget(10**9, scope=scope, subject=subject)
    before, chance = deadlocks(till), random.Random(1)
    ledgers = [Ledger(dsn=database.app_dsn()) for _ in range(4)]
    names = ["ann", "ben", "cem", "dan", "eve", "fay"]

    async def burst(ledger: Ledger) -> None:
        for _ in range(12):
            order = chance.sample(names, len(names))
            requests = [till.asked(10, user=name, tier="free", tags=chance.sample(["a", "b", "c"], 3)) for name in order]
            holds = await asyncio.gather(*(ledger.reserve(request) for request in requests))
            chance.shuffle(holds)
            await asyncio.gather(*(ledger.settle(hold, entries=[entry(5)]) for hold in holds))

    await asyncio.gather(*(burst(ledger) for ledger in ledgers))
    await asyncio.gather(*(ledger.close() for ledger in ledgers))
    assert deadlocks(till) == before


@pytest.mark.asyncio
async def test_admission_waits_for_the_lock_and_then_reads_what_is_there(ledger: Ledger, till: Till) -> None:
    """The trap of one statement: a reserve that waited for a settle must decide and check by what the settle left, not by its snapshot."""
    budget = till.budget(100)
    hold = await ledger.reserve(till.asked(100))
    with psycopg.connect(database.app_dsn()) as other:
        settling = {"id": hold.id, "tenant": till.tenant_id, "state": "settled", "entries": [entry(40)]}
        other.execute("SELECT * FROM billing_settle(%s)", [till.json([settling])])
        waiting = [asyncio.create_task(attempt(ledger, till.asked(amount))) for amount in (61, 60)]
        done, _ = await asyncio.wait(waiting, timeout=0.3)
        assert not done
    too_much, fits = await asyncio.gather(*waiting)
    assert isinstance(too_much, HoldRefused)
    assert isinstance(fits, Hold)
    assert till.sums(budget) == (40, 60)


@pytest.mark.asyncio
async def test_a_lock_that_is_held_for_long_is_not_waited_for_for_ever(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.ledger.lane.PATIENCE_S", 0.5)
    budget = till.budget(100)
    ledger = Ledger(dsn=database.app_dsn())
    await ledger.settle(await ledger.reserve(till.asked(10)), entries=[entry(10)])
    with psycopg.connect(database.owner_dsn()) as stuck:
        stuck.execute("SELECT 1 FROM billing_budgetwindow WHERE budget_id = %s FOR UPDATE", [budget])
        with pytest.raises(LedgerUnavailable) as away:
            await asyncio.wait_for(ledger.reserve(till.asked(10)), timeout=3)
        assert away.value.in_doubt
    assert isinstance(await ledger.reserve(till.asked(90)), Hold)
    await ledger.close()
    assert till.sums(budget) == (10, 90)
