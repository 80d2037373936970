"""The database goes away, and comes back."""

import asyncio
import contextlib
from collections import Counter

import psycopg
import pytest

from billing.ledger import Hold, HoldRefused, HoldRequest, Ledger, LedgerUnavailable
from billing.ledger.lane import Lane, RefusedByDatabase
from tests import database
from tests.billing.ledger.conftest import Till, attempt, entry

pytestmark = pytest.mark.asyncio
KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'cascadeflow ledger' AND query LIKE %s"
)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.ledger.book.DOUBT_PAUSES_S", (0.0, 0.2, 0.5))


def kill(function: str = "") -> int:
    with psycopg.connect(database.superuser_dsn(), autocommit=True) as superuser:
        row = superuser.execute(KILL, [f"%{function}%"]).fetchone()
        return int(row[0]) if row else 0


async def test_with_the_database_gone_nothing_is_admitted_and_nothing_is_in_doubt(till: Till) -> None:
    ledger = Ledger(dsn="host=/nowhere user=nobody")
    answers = await asyncio.gather(*(ledger.reserve(till.asked(1)) for _ in range(200)), return_exceptions=True)
    assert {(type(answer), getattr(answer, "in_doubt", None)) for answer in answers} == {(LedgerUnavailable, False)}
    assert not ledger._doubtful
    hold = Hold(id=till.asked(1).id, tenant_id=till.tenant_id, rung=0, remaining_nusd=None)
    with pytest.raises(LedgerUnavailable):
        await ledger.mark_sent(hold, leg=1)
    await ledger.close()


async def test_backends_killed_under_load_leave_no_call_without_a_hold_and_no_hold_without_an_end(till: Till) -> None:
    budget = till.budget(400_000)
    ledger, answers = Ledger(dsn=database.app_dsn()), Counter[str]()
    stop = asyncio.Event()
    admitted: set[object] = set()
    asked: list[HoldRequest] = []

    async def caller() -> None:
        while not stop.is_set():
            request = till.asked(10)
            asked.append(request)
            try:
                hold = await ledger.reserve(request)
            except LedgerUnavailable:
                answers["away"] += 1
                await asyncio.sleep(0.01)
                continue
            row = await asyncio.to_thread(_committed, request)
            assert row == "open"  # G2: whoever is let through has a hold that another connection can see
            admitted.add(hold.id)
            answers[await ledger.settle(hold, entries=[entry(4)])] += 1

    callers = [asyncio.create_task(caller()) for _ in range(12)]
    for _ in range(12):
        await asyncio.sleep(0.15)
        kill()
    stop.set()
    await asyncio.gather(*callers)
    await asyncio.wait_for(asyncio.gather(*ledger._doubtful), timeout=30)
    await ledger.close()
    assert answers["away"] > 0
    assert answers["closed"] + answers["again"] == len(admitted) > 50  # 'again': the commit was there, its answer was not
    assert till.sums(budget) == (4 * len(admitted), 0)
    rows = till.owner.execute("SELECT id, state, actual_nusd FROM billing_reservation WHERE tenant_id = %s", [till.tenant_id]).fetchall()
    for row in rows:
        assert (row["state"], row["actual_nusd"]) == (("settled", 4) if row["id"] in admitted else ("voided", 0))


def _committed(request: HoldRequest) -> str | None:
    with psycopg.connect(database.owner_dsn(), autocommit=True) as owner:
        row = owner.execute("SELECT state FROM billing_reservation WHERE id = %s", [request.id]).fetchone()
    return row[0] if row else None


async def test_a_settle_keeps_trying_until_the_database_is_back(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(100))
    lane, real = ledger._settle, ledger._settle._dsn
    lane._dsn = "host=/nowhere user=nobody"
    settling = asyncio.create_task(ledger.settle(hold, entries=[entry(60)]))
    done, _ = await asyncio.wait([settling], timeout=0.4)
    assert not done
    lane._dsn = real
    assert await asyncio.wait_for(settling, timeout=5) == "closed"


async def test_a_settle_gives_up_in_the_end(ledger: Ledger, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.ledger.book.SETTLE_PATIENCE_S", 0.2)
    hold = await ledger.reserve(till.asked(100))
    ledger._settle._dsn = "host=/nowhere user=nobody"
    with pytest.raises(LedgerUnavailable):
        await ledger.settle(hold, entries=[entry(60)])


async def test_an_idle_connection_that_was_cut_costs_one_answer_and_no_hold(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100)
    await ledger.settle(await ledger.reserve(till.asked(10)), entries=[entry(10)])
    assert kill("billing_reserve") >= 1  # the backend of an earlier ledger may still be on its way out
    with contextlib.suppress(LedgerUnavailable):
        await ledger.release(await ledger.reserve(till.asked(90)), entry=entry(0, kind="voided"))
    assert (await ledger.reserve(till.asked(90))).remaining_nusd == 0
    assert till.sums(budget) == (10, 90)


async def test_the_hold_of_a_caller_who_left_is_voided(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    with psycopg.connect(database.owner_dsn()) as other:
        other.execute("SELECT billing_reserve(%s)", [till.batch(till.asked(1, ttl_s=900))])  # so that the lane has to wait
        leaving = [asyncio.create_task(ledger.reserve(till.asked(100))) for _ in range(3)]
        await asyncio.sleep(0.2)
        leaving[0].cancel()  # under way
        late = asyncio.create_task(ledger.reserve(till.asked(100)))
        await asyncio.sleep(0)
        late.cancel()  # not yet sent
        other.rollback()
    outcomes = await asyncio.gather(*leaving, late, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, Hold, Hold, asyncio.CancelledError]
    await asyncio.wait_for(asyncio.gather(*ledger._doubtful), timeout=5)
    assert till.sums(budget) == (0, 200)
    states = till.owner.execute("SELECT state, count(*) AS n FROM billing_reservation WHERE tenant_id = %s GROUP BY 1", [till.tenant_id]).fetchall()
    assert {row["state"]: row["n"] for row in states} == {"open": 2, "voided": 2}


async def test_a_hold_that_appears_after_its_connection_broke_is_voided(ledger: Ledger, till: Till) -> None:
    """The network may break while the server goes on: the hold is committed when nobody listens any more."""
    budget = till.budget(1_000)
    request = till.asked(300)
    with psycopg.connect(database.owner_dsn()) as slow:
        slow.execute("SELECT billing_reserve(%s)", [till.batch(request)])
        doubtful: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        error = LedgerUnavailable("gone")
        error.in_doubt = True
        doubtful.set_exception(error)
        ledger._void_later(request, doubtful)
        await asyncio.sleep(0.3)
        slow.commit()
    await asyncio.wait_for(asyncio.gather(*ledger._doubtful), timeout=10)
    assert till.sums(budget) == (0, 0)


async def test_close_finishes_what_waits_and_what_is_under_way(till: Till) -> None:
    budget = till.budget(10_000)
    ledger = Ledger(dsn=database.app_dsn())
    holds = await asyncio.gather(*(ledger.reserve(till.asked(10)) for _ in range(100)))
    settling = [asyncio.create_task(ledger.settle(hold, entries=[entry(3)])) for hold in holds]
    await asyncio.sleep(0)
    await asyncio.wait_for(ledger.close(), timeout=10)
    assert await asyncio.gather(*settling) == ["closed"] * 100
    assert till.sums(budget) == (300, 0)
    with pytest.raises(LedgerUnavailable, match="stopped"):
        await ledger.reserve(till.asked(1))
    with pytest.raises(LedgerUnavailable, match="stopped"):
        await asyncio.wait_for(ledger.settle(holds[0], entries=[entry(3)]), timeout=1)


async def test_a_lane_outlives_a_function_that_answers_nonsense(till: Till) -> None:
    lane = Lane(dsn=database.app_dsn(), function="jsonb_array_elements")  # one column where two are due
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(lane.submit(1), timeout=5)
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(lane.submit(1), timeout=5)
    lane._statement = "SELECT 1, 'x' WHERE %s::jsonb IS NULL"
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(lane.submit(1), timeout=5)
    lane._statement = "SELECT * FROM no_such_function(%s::jsonb)"
    with pytest.raises(RefusedByDatabase):
        await asyncio.wait_for(lane.submit(1), timeout=5)
    await lane.close()


async def test_more_than_a_lane_can_take_are_told_at_once(ledger: Ledger, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.ledger.lane.MOST_WAITING", 5)
    answers = await asyncio.gather(*(attempt(ledger, till.asked(1)) for _ in range(8)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Hold] * 5 + [LedgerUnavailable] * 3
    assert not any(isinstance(answer, HoldRefused) for answer in answers)
