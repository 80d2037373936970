"""Holds whose process is gone."""

import asyncio
import os
import subprocess
import sys

import pytest

from billing import housekeeping
from billing.ledger import Ledger, LedgerUnavailable, dead_owners, owner_name, sweep
from billing.ledger.book import _is_dead
from tests import database
from tests.billing.ledger.conftest import Till, entry


def hold_of(till: Till, *amounts: int | list[int], owner: str, ttl_s: int = 660) -> str:
    """A hold of another process, made without a Ledger."""
    request = till.asked(*amounts, ttl_s=ttl_s)
    till.owner.execute("SELECT billing_reserve(%s)", [till.batch(request, owner=owner)])
    return str(request.id)


def ended_process() -> str:
    """The owner's name of a process that has ended."""
    script = "from billing.ledger import owner_name; print(owner_name())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.asyncio
async def test_an_expired_hold_is_assumed_for_what_may_have_been_sent(ledger: Ledger, till: Till) -> None:
    budget = till.budget(10_000)
    first_alone, two_of_three = await ledger.reserve(till.asked([100, 200, 400], ttl_s=0)), await ledger.reserve(till.asked([100, 200, 400], ttl_s=0))
    alive = await ledger.reserve(till.asked(1_000))
    await ledger.mark_sent(two_of_three, leg=2)
    sweep(dsn=database.app_dsn())
    assert [(row["leg"], row["kind"], row["amount_nusd"]) for row in till.entries(first_alone)] == [(0, "assumed", 100)]
    assert [(row["leg"], row["kind"], row["amount_nusd"]) for row in till.entries(two_of_three)] == [(0, "assumed", 100), (2, "assumed", 400)]
    assert till.sums(budget) == (600, 1_000)
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.mark_sent(first_alone, leg=1)
    await ledger.settle(alive, entries=[entry(1)])


@pytest.mark.asyncio
async def test_any_number_of_sweeps_at_once_close_each_hold_once(ledger: Ledger, till: Till) -> None:
    budget = till.budget(10_000)
    holds = await asyncio.gather(*(ledger.reserve(till.asked(10, ttl_s=0)) for _ in range(100)))
    closed = await asyncio.gather(*(asyncio.to_thread(sweep, dsn=database.app_dsn()) for _ in range(4)))
    assert sum(closed) >= 100
    assert till.sums(budget) == (1_000, 0)
    assert [len(till.entries(hold)) for hold in holds] == [1] * 100
    assert sweep(dsn=database.app_dsn()) == 0


def test_a_sweep_takes_more_than_one_batch(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.ledger.book.SWEEP_BATCH", 3)
    holds = [hold_of(till, 5, owner="elsewhere", ttl_s=0) for _ in range(8)]
    assert sweep(dsn=database.app_dsn()) >= 8
    assert till.owner.execute("SELECT count(*) AS n FROM billing_reservation WHERE id = ANY (%s) AND state = 'open'", [holds]).fetchone() == {"n": 0}


def test_the_holds_of_an_ended_process_are_closed_before_they_expire(till: Till) -> None:
    budget = till.budget(10_000)
    gone, mine = ended_process(), owner_name()
    hold_of(till, 300, owner=gone)
    hold_of(till, 50, owner=mine)
    elsewhere = f"other-host:{':'.join(gone.split(':')[1:])}"
    hold_of(till, 7, owner=elsewhere)
    dead = dead_owners(dsn=database.app_dsn())
    assert gone in dead
    assert mine not in dead
    assert elsewhere not in dead
    assert housekeeping.sweep_now() >= 1
    assert till.sums(budget) == (300, 57)


def test_who_is_dead_is_judged_by_machine_boot_and_process_alone() -> None:
    host, boot, namespace, _pid, started = owner_name().split(":")
    assert not _is_dead(owner_name())
    assert _is_dead(ended_process())
    assert _is_dead(f"{host}:{boot}:{namespace}:{os.getpid()}:{int(started) + 1}")  # the number was given to another process
    assert _is_dead(f"{host}:00000000:{namespace}:{os.getpid()}:{started}")  # before the machine was started anew
    assert not _is_dead(f"{host}:{boot}:{int(namespace) + 1}:{2**22 + 1}:1")  # another container counts its processes by itself
    assert not _is_dead(f"elsewhere:{boot}:{namespace}:{os.getpid()}:1")
    assert not _is_dead(f"{host}:{boot}")
    assert not _is_dead("")


def test_a_sweep_of_nothing_closes_nothing(till: Till) -> None:
    sweep(dsn=database.app_dsn())
    assert sweep(dsn=database.app_dsn(), dead_owners=["nobody"]) == 0


@pytest.mark.asyncio
async def test_a_failing_sweep_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()
    outcomes = iter([OSError("no such file"), RuntimeError("a bug"), 0])

    def sweep_now() -> int:
        outcome = next(outcomes, 0)
        if isinstance(outcome, Exception):
            raise outcome
        loop.call_soon_threadsafe(tried.set)
        return outcome

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(housekeeping, "sweep_now", sweep_now)
    task = asyncio.create_task(housekeeping.keep_swept(every_s=0.01))
    await asyncio.wait_for(tried.wait(), timeout=5)
    task.cancel()
