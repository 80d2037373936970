"""An idempotency key is claimed with its hold: one key, one dispatch, whatever races."""

import asyncio
from uuid import uuid4

import msgspec
import psycopg
import pytest

from billing.ledger import CallKey, Hold, HoldRequest, KeyTaken, Ledger, find_key, finish_key, forget_keys
from tests import database
from tests.billing.ledger.conftest import Till, attempt, entry

CALL = CallKey(endpoint="chat.completions", key="order-17", fingerprint=b"f" * 32)


def under(till: Till, key: CallKey = CALL, amount: int = 10) -> HoldRequest:
    return msgspec.structs.replace(till.asked(amount), key=key)


async def known(till: Till, key: CallKey = CALL) -> object:
    async with await psycopg.AsyncConnection.connect(database.app_dsn(), autocommit=True) as connection:
        return await find_key(connection, tenant_id=till.tenant_id, endpoint=key.endpoint, key=key.key)


async def finish(till: Till, hold: Hold, status: int | None, reply: bytes = b"") -> None:
    async with await psycopg.AsyncConnection.connect(database.app_dsn(), autocommit=True) as connection:
        await finish_key(connection, tenant_id=till.tenant_id, call=CALL, reservation_id=hold.id, status=status, reply=reply)


@pytest.mark.asyncio
async def test_of_many_calls_under_one_key_one_is_admitted_in_whatever_batches_they_come(till: Till, ledger: Ledger) -> None:
    budget = till.budget(1000)
    other = Ledger(dsn=database.app_dsn())
    results = await asyncio.gather(*(one.reserve(under(till)) for one in [ledger, other] * 20), return_exceptions=True)
    await other.close()
    admitted = [result for result in results if isinstance(result, Hold)]
    assert len(admitted) == 1
    assert all(isinstance(result, KeyTaken) for result in results if result is not admitted[0])
    assert till.sums(budget) == (0, 10)
    found = await known(till)
    assert (found.reservation_id, found.fingerprint, found.status, found.in_flight) == (admitted[0].id, CALL.fingerprint, None, True)  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_a_call_that_no_budget_bears_lets_go_of_its_key(till: Till, ledger: Ledger) -> None:
    till.budget(5)
    await attempt(ledger, under(till))
    assert await known(till) is None
    await ledger.reserve(under(till, amount=5))


@pytest.mark.asyncio
async def test_the_same_key_means_another_call_for_another_endpoint_and_another_tenant(till: Till, ledger: Ledger) -> None:
    await ledger.reserve(under(till))
    await ledger.reserve(under(till, msgspec.structs.replace(CALL, endpoint="runs")))
    theirs = under(till)
    globex = msgspec.structs.replace(theirs.subject, tenant_id=till.cast.globex.id)
    await ledger.reserve(msgspec.structs.replace(theirs, subject=globex))


@pytest.mark.asyncio
async def test_a_reply_is_kept_until_the_key_expires_and_then_the_key_is_free(till: Till, ledger: Ledger) -> None:
    hold = await ledger.reserve(under(till))
    await ledger.settle(hold, entries=[entry(3)])
    await finish(till, hold, 200, b"reply")
    found = await known(till)
    assert (found.status, found.reply) == (200, b"reply")  # type: ignore[attr-defined]
    till.owner.execute("UPDATE billing_idempotencykey SET expires_at = clock_timestamp() WHERE tenant_id = %s", [till.tenant_id])
    assert await known(till) is None
    again = await ledger.reserve(under(till))
    found = await known(till)
    assert (found.reservation_id, found.status, found.reply) == (again.id, None, b"")  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_expired_keys_are_forgotten(till: Till, ledger: Ledger) -> None:
    await ledger.reserve(under(till))
    await ledger.reserve(under(till, msgspec.structs.replace(CALL, key="another")))
    till.owner.execute("UPDATE billing_idempotencykey SET expires_at = clock_timestamp() WHERE key = 'order-17' AND tenant_id = %s", [till.tenant_id])
    assert forget_keys(dsn=database.app_dsn(), batch=1) >= 1
    rows = till.owner.execute("SELECT key FROM billing_idempotencykey WHERE tenant_id = %s", [till.tenant_id]).fetchall()
    assert [row["key"] for row in rows] == ["another"]


@pytest.mark.asyncio
async def test_a_call_whose_process_died_is_known_and_has_no_reply(till: Till, ledger: Ledger) -> None:
    hold = await ledger.reserve(under(till))
    till.owner.execute("UPDATE billing_reservation SET owner = 'gone', expires_at = clock_timestamp() WHERE id = %s", [hold.id])
    with psycopg.connect(database.app_dsn(), autocommit=True) as app:
        app.execute("SELECT billing_sweep(100)")
    till.owner.execute("UPDATE billing_reservation SET closed_at = closed_at - interval '1 minute' WHERE id = %s", [hold.id])
    found = await known(till)
    assert (found.status, found.in_flight) == (None, False)  # type: ignore[attr-defined]
    with pytest.raises(KeyTaken):
        await ledger.reserve(under(till))


@pytest.mark.asyncio
async def test_only_the_call_itself_can_let_go_of_its_key(till: Till, ledger: Ledger) -> None:
    hold = await ledger.reserve(under(till))
    await finish(till, msgspec.structs.replace(hold, id=uuid4()), None)
    assert await known(till) is not None
    await finish(till, hold, None)
    assert await known(till) is None
