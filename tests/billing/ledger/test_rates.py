"""Requests and tokens a minute: taken together with the hold, over all processes, or not at all."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from billing.ledger import CallKey, Hold, HoldRefused, HoldRequest, KeyTaken, Ledger, Rate, RateLimited, forget_rates
from tests import database
from tests.billing.ledger.conftest import Till, attempt

KEY = UUID(int=1)


def limited(till: Till, *rates: Rate, amount: int = 10, tokens: int = 0, **fields: Any) -> HoldRequest:
    return msgspec.structs.replace(till.asked(amount), rates=rates, tokens=tokens, **fields)


def of_key(requests: int | None = None, tokens: int | None = None, *, subject: UUID = KEY) -> Rate:
    return Rate(name="key", subject=subject, requests=requests, tokens=tokens)


async def tries(ledgers: Sequence[Ledger], request: Any, number: int) -> tuple[list[Hold], list[RateLimited]]:
    results = await asyncio.gather(*(ledgers[n % len(ledgers)].reserve(request()) for n in range(number)), return_exceptions=True)
    admitted, refused = [r for r in results if isinstance(r, Hold)], [r for r in results if isinstance(r, RateLimited)]
    assert len(admitted) + len(refused) == number, results
    return admitted, refused


def full_in(till: Till, unit: str = "requests", subject: UUID = KEY) -> float:
    """Seconds until the bucket is full."""
    row = till.owner.execute(
        "SELECT extract(epoch FROM full_at - clock_timestamp())::float8 AS s FROM tenants_ratebucket"
        " WHERE tenant_id = %s AND subject = %s AND unit = %s",
        [till.tenant_id, subject, unit],
    ).fetchone()
    return row["s"] if row else 0.0


@pytest.mark.asyncio
async def test_as_many_calls_as_the_limit_pass_at_once_and_the_next_one_is_told_when_it_fits(till: Till, ledger: Ledger) -> None:
    holds = [await ledger.reserve(limited(till, of_key(3))) for _ in range(3)]
    assert [hold.rates[0].remaining for hold in holds] == [2, 1, 0]
    with pytest.raises(RateLimited) as refused:
        await ledger.reserve(limited(till, of_key(3)))
    limit = refused.value
    assert (limit.limit, limit.remaining, limit.binding.unit) == (3, 0, "requests")
    assert 18 < (limit.reset or 0) <= 20
    assert limit.binding.until_more_s == pytest.approx(limit.reset, abs=0.01)
    assert limit.binding.until_full_s == pytest.approx((limit.reset or 0) + 40, abs=0.01)


@pytest.mark.asyncio
async def test_the_bucket_refills_all_the_time(till: Till, ledger: Ledger) -> None:
    rate = of_key(600)
    _, refused = await tries([ledger], lambda: limited(till, rate), 660)
    assert len(refused) > 0
    wait = min(one.reset or 0 for one in refused)
    assert 0 < wait <= 0.1
    await asyncio.sleep(wait + 0.1)
    assert await ledger.reserve(limited(till, rate))


@pytest.mark.asyncio
async def test_a_limit_holds_over_several_processes_that_race(till: Till, ledger: Ledger) -> None:
    others = [Ledger(dsn=database.app_dsn()) for _ in range(3)]
    began = time.monotonic()
    admitted, refused = await tries([ledger, *others], lambda: limited(till, of_key(50)), 400)
    took = time.monotonic() - began
    for other in others:
        await other.close()
    assert 50 <= len(admitted) <= 50 + 50 / 60 * took + 1
    assert all(one.remaining == 0 for one in refused)
    rows = till.owner.execute("SELECT count(*) AS n FROM billing_reservation WHERE tenant_id = %s", [till.tenant_id]).fetchone()
    assert rows is not None
    assert rows["n"] == len(admitted), "a refused call holds nothing"


@pytest.mark.asyncio
async def test_a_call_takes_from_all_of_its_limits_or_from_none(till: Till, ledger: Ledger) -> None:
    user = uuid4()
    rates = (of_key(100), Rate(name="end-user", subject=user, requests=1, tokens=1000))
    await ledger.reserve(limited(till, *rates, tokens=400))
    before = (full_in(till), full_in(till, "tokens", user))
    with pytest.raises(RateLimited) as refused:
        await ledger.reserve(limited(till, *rates, tokens=400))
    assert {(rate.name, rate.unit): rate.wait == 0 for rate in refused.value.rates} == {
        ("key", "requests"): True, ("end-user", "requests"): False, ("end-user", "tokens"): True,
    }  # fmt: skip
    assert refused.value.binding.name == "end-user"
    assert (full_in(till), full_in(till, "tokens", user)) <= before
    assert [rate.remaining for rate in refused.value.rates if rate.name == "key"] == [99]


@pytest.mark.asyncio
async def test_tokens_count_as_estimated_and_a_call_larger_than_a_minute_never_fits(till: Till, ledger: Ledger) -> None:
    rate = of_key(tokens=1000)
    assert (await ledger.reserve(limited(till, rate, tokens=700))).rates[0].remaining == 300
    with pytest.raises(RateLimited) as later:
        await ledger.reserve(limited(till, rate, tokens=700))
    assert 23 < (later.value.reset or 0) <= 24
    with pytest.raises(RateLimited) as never:
        await ledger.reserve(limited(till, rate, tokens=1001))
    assert (never.value.reset, never.value.limit, never.value.binding.unit) == (None, 1000, "tokens")
    await ledger.reserve(limited(till, rate, tokens=300))


@pytest.mark.asyncio
async def test_a_call_that_no_budget_bears_takes_nothing_and_says_so(till: Till, ledger: Ledger) -> None:
    till.budget(5)
    for _ in range(5):
        refused = await attempt(ledger, limited(till, of_key(2, 100), tokens=60))
        assert isinstance(refused, HoldRefused)
        assert [rate.remaining for rate in refused.rates] == [2, 100]
    assert full_in(till) == pytest.approx(0, abs=0.5)
    assert await ledger.reserve(limited(till, of_key(2, 100), tokens=60, amount=5))


@pytest.mark.asyncio
async def test_a_refused_call_lets_go_of_its_key_and_a_repeated_one_takes_nothing(till: Till, ledger: Ledger) -> None:
    key = CallKey(endpoint="runs", key="k", fingerprint=b"f" * 32)
    await ledger.reserve(limited(till, of_key(1)))
    with pytest.raises(RateLimited):
        await ledger.reserve(limited(till, of_key(1), key=key))
    await ledger.reserve(limited(till, of_key(2, subject=uuid4()), key=key))
    other = uuid4()
    with pytest.raises(KeyTaken):
        await ledger.reserve(limited(till, of_key(1, subject=other), key=key))
    assert full_in(till, subject=other) == 0


@pytest.mark.asyncio
async def test_a_batch_without_limits_touches_no_bucket_and_limits_of_others_are_apart(till: Till, ledger: Ledger) -> None:
    assert (await ledger.reserve(till.asked(1))).rates == []
    assert till.owner.execute("SELECT 1 FROM tenants_ratebucket WHERE tenant_id = %s", [till.tenant_id]).fetchone() is None
    await ledger.reserve(limited(till, of_key(1)))
    await ledger.reserve(limited(till, of_key(1, subject=uuid4())))
    theirs = limited(till, of_key(1))
    await ledger.reserve(msgspec.structs.replace(theirs, subject=msgspec.structs.replace(theirs.subject, tenant_id=till.cast.globex.id)))


@pytest.mark.asyncio
async def test_in_one_batch_earlier_calls_come_first_and_a_call_without_limits_passes(till: Till) -> None:
    requests = [limited(till, of_key(2)) for _ in range(4)] + [till.asked(1)]
    with psycopg.connect(database.app_dsn(), autocommit=True) as app:
        answers = [answer for _, answer in app.execute("SELECT * FROM billing_reserve(%s)", [till.batch(*requests)]).fetchall()]
    assert [answer.get("refused") for answer in answers] == [None, None, "rate", "rate", None]
    assert [answer.get("rates", [{}])[0].get("left") for answer in answers] == [1, 0, 0, 0, None]


@pytest.mark.asyncio
async def test_a_changed_limit_holds_at_once(till: Till, ledger: Ledger) -> None:
    await tries([ledger], lambda: limited(till, of_key(10)), 10)
    with pytest.raises(RateLimited):
        await ledger.reserve(limited(till, of_key(5)))
    with pytest.raises(RateLimited):
        await ledger.reserve(limited(till, of_key(20)))
    till.owner.execute("UPDATE tenants_ratebucket SET full_at = full_at - interval '6 seconds' WHERE tenant_id = %s", [till.tenant_id])
    assert (await ledger.reserve(limited(till, of_key(20)))).rates[0].remaining == 1


@pytest.mark.asyncio
async def test_a_clock_that_jumps_back_locks_nobody_out_for_longer_than_a_minute(till: Till, ledger: Ledger) -> None:
    await ledger.reserve(limited(till, of_key(2)))
    till.owner.execute("UPDATE tenants_ratebucket SET full_at = full_at + interval '1 day' WHERE tenant_id = %s", [till.tenant_id])
    with pytest.raises(RateLimited) as refused:
        await ledger.reserve(limited(till, of_key(2)))
    assert (refused.value.reset or 0) <= 30


@pytest.mark.asyncio
async def test_full_buckets_are_forgotten_and_others_kept(till: Till, ledger: Ledger) -> None:
    await ledger.reserve(limited(till, of_key(1)))
    await ledger.reserve(limited(till, of_key(1, subject=UUID(int=2))))
    till.owner.execute("UPDATE tenants_ratebucket SET full_at = now() WHERE tenant_id = %s AND subject = %s", [till.tenant_id, UUID(int=2)])
    assert forget_rates(dsn=database.app_dsn(), batch=1) >= 1
    rows = till.owner.execute("SELECT subject FROM tenants_ratebucket WHERE tenant_id = %s", [till.tenant_id]).fetchall()
    assert [row["subject"] for row in rows] == [KEY]


def test_the_table_is_unlogged_so_that_it_costs_no_log(till: Till) -> None:
    row = till.owner.execute("SELECT relpersistence AS kind FROM pg_class WHERE oid = 'tenants_ratebucket'::regclass").fetchone()
    assert row is not None
    assert row["kind"] == "u"
