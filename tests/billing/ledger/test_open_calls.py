"""So many calls of one end user may be in flight at once, wherever they come from."""

import asyncio
from uuid import uuid4

import msgspec
import psycopg
import pytest

from billing.ledger import CallKey, Hold, HoldRequest, Ledger, TooManyOpen, find_key
from tests import database
from tests.billing.ledger.conftest import Till, entry


def call(till: Till, user: str | None = "ann", *, most: int | None = 3, amount: int = 1) -> HoldRequest:
    return msgspec.structs.replace(till.asked(amount, user=user), most_open=most)


@pytest.mark.asyncio
async def test_one_call_too_many_is_refused_until_another_is_done(till: Till, ledger: Ledger) -> None:
    budget = till.budget(100)
    holds = [await ledger.reserve(call(till)) for _ in range(3)]
    with pytest.raises(TooManyOpen) as refused:
        await ledger.reserve(call(till))
    assert refused.value.most == 3
    assert till.sums(budget) == (0, 3)
    await ledger.reserve(call(till, "ben"))
    await ledger.settle(holds[0], entries=[entry(1)])
    await ledger.reserve(call(till))


@pytest.mark.asyncio
async def test_processes_that_race_for_one_end_user_admit_no_more_than_may_be(till: Till, ledger: Ledger) -> None:
    ledgers = [ledger, *(Ledger(dsn=database.app_dsn()) for _ in range(3))]
    calls = (ledgers[number % 4].reserve(call(till, most=8)) for number in range(200))
    results = await asyncio.gather(*calls, return_exceptions=True)
    for other in ledgers[1:]:
        await other.close()
    assert len([result for result in results if isinstance(result, Hold)]) == 8
    assert len([result for result in results if isinstance(result, TooManyOpen)]) == 192


@pytest.mark.asyncio
async def test_calls_without_an_end_user_or_without_a_limit_are_not_counted(till: Till, ledger: Ledger) -> None:
    for request in [call(till, None, most=1)] * 3 + [call(till, most=None)] * 3:
        await ledger.reserve(msgspec.structs.replace(request, id=uuid4()))
    theirs = call(till, most=1)
    await ledger.reserve(msgspec.structs.replace(theirs, subject=msgspec.structs.replace(theirs.subject, tenant_id=till.cast.globex.id)))


@pytest.mark.asyncio
async def test_a_call_that_is_one_too_many_lets_go_of_its_key(till: Till, ledger: Ledger) -> None:
    key = CallKey(endpoint="runs", key="k", fingerprint=b"f" * 32)
    await ledger.reserve(call(till, most=1))
    with pytest.raises(TooManyOpen):
        await ledger.reserve(msgspec.structs.replace(call(till, most=1), key=key))
    async with await psycopg.AsyncConnection.connect(database.app_dsn(), autocommit=True) as connection:
        assert await find_key(connection, tenant_id=till.tenant_id, endpoint="runs", key="k") is None


def test_open_calls_are_counted_by_an_index_of_open_holds_alone(till: Till) -> None:
    user = uuid4()
    till.owner.execute(
        "INSERT INTO billing_reservation (id, tenant_id, state, owner, end_user_id, labels, legs, sent, window_ids, amount_nusd, actual_nusd,"
        " created_at, expires_at)"
        " SELECT gen_random_uuid(), %s, 'voided', 'test', %s, '{}', '[]', 1, '{}', 0, 0, now(), now() FROM generate_series(1, 2000)",
        [till.cast.globex.id, user],
    )
    till.owner.execute("ANALYZE billing_reservation")
    count = "SELECT count(*) FROM billing_reservation r WHERE r.tenant_id = %s AND r.end_user_id = %s AND r.state = 'open'"
    with till.owner.transaction(force_rollback=True):
        till.owner.execute("SET LOCAL enable_seqscan = off")  # as billing_reserve has it
        plan = [str(*line.values()) for line in till.owner.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {count}", [till.cast.globex.id, user]).fetchall()]
    till.owner.execute("DELETE FROM billing_reservation WHERE end_user_id = %s", [user])
    assert any("using open_holds_by" in line for line in plan), plan
