"""kill -9 while a call is in flight: what may have been billed is booked at its bound, no window is over its cap, and the next call is
answered."""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from billing.housekeeping import sweep_now
from tests import live
from tests.live import Server, wait_until
from tests.stage import REJECT, Stage, step

MINUTES = "3600"


@pytest.fixture
def fragile_site(django_db_setup: None) -> Iterator[Server]:
    """A site of two workers that may be killed; its own sweep comes too late to help."""
    with live.site(workers=2, SWEEP_SECONDS=MINUTES) as server:
        yield server


def workers(site: Server) -> set[int]:
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    found = set()
    for pid in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(int(pid))
    return found


def holder(stage: Stage) -> int:
    """The process that has the one call in flight, as its hold says."""
    (hold,) = stage.holds(state="open")
    return int(hold.owner.split(":")[-2])


def wait_until_replaced(site: Server, victims: set[int]) -> None:
    """Until uvicorn has seen them die, put others in their place, and those serve."""
    wait_until(lambda: len(workers(site)) == 2 and not workers(site) & victims, what=site.log)
    wait_until(lambda: site.status("/healthz") == 200, what=site.log)


def test_a_call_whose_worker_is_killed_is_booked_at_its_bound_and_the_next_one_is_answered(live_cast: Stage, fragile_site: Server) -> None:
    live_cast.site = fragile_site
    live_cast.add_budget("0.002")
    with ThreadPoolExecutor() as pool:
        call = pool.submit(live_cast.post, model="slow")
        live_cast.wait_until_held()
        victim = holder(live_cast)
        assert victim in workers(fragile_site)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            call.result()
    wait_until_replaced(fragile_site, {victim})
    sweep_now()
    (hold,) = live_cast.holds()
    assert (hold.state, hold.actual_nusd) == ("assumed", hold.amount_nusd)
    (entry,) = live_cast.entries(hold.id)
    assert (entry.kind, entry.model, entry.amount_nusd) == ("assumed", "slow", hold.amount_nusd)
    (window,) = live_cast.windows()
    assert (window.spent_nusd, window.held_nusd) == (hold.amount_nusd, 0)
    assert window.spent_nusd <= (window.cap_high_nusd or 0)
    assert live_cast.ask("steady").cascadeflow["total_cost"] == "0.0001812"


def test_of_a_cascade_only_the_legs_that_may_have_been_sent_are_assumed(live_cast: Stage, fragile_site: Server) -> None:
    live_cast.site = fragile_site
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "slow", **REJECT), step("never", "scripted-strong"))
    with ThreadPoolExecutor() as pool:
        call = pool.submit(live_cast.post, model="house")
        wait_until(lambda: any(hold.sent == 0b011 for hold in live_cast.holds(state="open")), what=fragile_site.log)
        victims = workers(fragile_site)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            call.result()
    wait_until_replaced(fragile_site, victims)
    sweep_now()
    (hold,) = live_cast.holds()
    draft, escalate, _never = hold.legs
    assert [(entry.step, entry.kind, entry.amount_nusd) for entry in live_cast.entries(hold.id)] == [
        ("draft", "assumed", draft["amount"]), ("escalate", "assumed", escalate["amount"]),
    ]  # fmt: skip
    assert hold.actual_nusd == draft["amount"] + escalate["amount"] < hold.amount_nusd
    assert live_cast.asked("scripted-strong") == []
    assert live_cast.ask("steady")
