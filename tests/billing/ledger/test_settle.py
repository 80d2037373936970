"""How a hold ends: settled, voided, assumed, overrun, late, and never twice."""

import asyncio
from uuid import uuid4

import pytest

from billing.ledger import Hold, Ledger, LedgerUnavailable, sweep
from billing.ledger.lane import RefusedByDatabase
from tests import database
from tests.billing.ledger.conftest import Till, entry

pytestmark = pytest.mark.asyncio


def kinds(till: Till, hold: Hold) -> list[tuple[str, int, int]]:
    return [(row["kind"], row["leg"], row["amount_nusd"]) for row in till.entries(hold)]


async def test_a_settle_books_what_each_leg_came_to_and_frees_the_rest(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold = await ledger.reserve(till.asked([300, 600], user="ann", tier="free", tags=("search",)))
    assert till.sums(budget) == (0, 900)
    first = entry(120, input_tokens=7, cached_input_tokens=3, output_tokens=5, reasoning_tokens=2, provider_request_id="req-1", outcome="rejected")
    assert await ledger.settle(hold, entries=[first, entry(250, leg=1, model="large", kind="estimated")]) == "closed"
    assert till.sums(budget) == (370, 0)
    row = till.hold(hold)
    assert row is not None
    assert (row["state"], row["amount_nusd"], row["actual_nusd"]) == ("settled", 900, 370)
    booked, other = till.entries(hold)
    assert (booked["input_tokens"], booked["cached_input_tokens"], booked["output_tokens"], booked["reasoning_tokens"]) == (7, 3, 5, 2)
    assert (booked["tier"], booked["domain"], booked["preset"], booked["tags"]) == ("free", "code", "p", ["search"])
    assert (booked["outcome"], booked["provider_request_id"], booked["price_version"], booked["attempt"]) == ("rejected", "req-1", "", 1)
    assert (other["kind"], other["model"], other["leg"], other["end_user_id"]) == ("estimated", "large", 1, till.subject("ann").end_user_id)
    assert booked["occurred_at"] == row["created_at"]
    assert (await ledger.reserve(till.asked(630))).remaining_nusd == 0


async def test_a_hold_of_which_nothing_was_sent_is_voided_and_all_of_it_free(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(500))
    assert await ledger.release(hold, entry=entry(0, kind="voided", outcome="not sent")) == "closed"
    row = till.hold(hold)
    assert row is not None
    assert (row["state"], row["actual_nusd"]) == ("voided", 0)
    assert till.sums(budget) == (0, 0)
    assert kinds(till, hold) == [("voided", 0, 0)]


async def test_a_leg_of_unknown_cost_makes_the_hold_assumed(ledger: Ledger, till: Till) -> None:
    budget = till.budget(900)
    hold = await ledger.reserve(till.asked([300, 600]))
    await ledger.settle(hold, entries=[entry(100), entry(600, leg=1, kind="assumed")])
    row = till.hold(hold)
    assert row is not None
    assert row["state"] == "assumed"
    assert till.sums(budget) == (700, 0)
    assert await ledger.settle(hold, entries=[entry(100), entry(600, leg=1, kind="assumed")]) == "again"
    assert till.sums(budget) == (700, 0)


async def test_what_was_billed_beyond_the_bound_is_an_overrun_beside_the_spend(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(500))
    await ledger.settle(hold, entries=[entry(500), entry(77, kind="overrun")])
    assert sorted(kinds(till, hold)) == [("overrun", 0, 77), ("settled", 0, 500)]
    assert till.sums(budget) == (500, 0)
    assert till.windows(budget)[0]["overrun_nusd"] == 77


async def test_a_second_settle_changes_nothing(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(300))
    assert await ledger.settle(hold, entries=[entry(200)]) == "closed"
    assert await ledger.settle(hold, entries=[entry(100)]) == "again"
    assert await ledger.release(hold, entry=entry(0, kind="voided")) == "again"
    assert kinds(till, hold) == [("settled", 0, 200)]
    assert till.sums(budget) == (200, 0)


async def test_one_batch_that_settles_a_hold_twice_settles_it_once(ledger: Ledger, till: Till) -> None:
    budget = till.budget(5_000)
    hold, _ = await asyncio.gather(ledger.reserve(till.asked(300)), ledger.reserve(till.asked(3_000)))
    statuses = await asyncio.gather(*(ledger.settle(hold, entries=[entry(200)]) for _ in range(5)))
    assert sorted(statuses) == ["again"] * 4 + ["closed"]
    assert till.sums(budget) == (200, 3_000)
    assert len(till.entries(hold)) == 1


async def test_a_late_settle_books_the_difference_once(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(400, ttl_s=0))
    assert sweep(dsn=database.app_dsn()) >= 1
    assert till.sums(budget) == (400, 0)
    late = [entry(150, input_tokens=9, output_tokens=4)]
    assert await asyncio.gather(*(ledger.settle(hold, entries=late) for _ in range(3))) == ["late", "again", "again"]
    assert await ledger.settle(hold, entries=[entry(100)]) == "again"
    assert till.sums(budget) == (150, 0)
    assumed, adjustment = till.entries(hold)
    assert (assumed["kind"], assumed["amount_nusd"], assumed["outcome"]) == ("assumed", 400, "unknown")
    assert (adjustment["kind"], adjustment["amount_nusd"], adjustment["actor"], adjustment["reason"]) == ("adjustment", -250, "ledger", "late settle")
    assert (adjustment["model"], adjustment["input_tokens"], adjustment["output_tokens"]) == ("small", 9, 4)
    row = till.hold(hold)
    assert row is not None
    assert (row["state"], row["actual_nusd"]) == ("assumed", 400)


async def test_a_late_settle_is_adjusted_leg_by_leg(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold = await ledger.reserve(till.asked([300, 600], ttl_s=0))
    await ledger.mark_sent(hold, leg=1)
    sweep(dsn=database.app_dsn())
    assert till.sums(budget) == (900, 0)
    busy, large = entry(0, leg=1, attempt=1, kind="voided", model="busy"), entry(250, leg=1, attempt=2, model="large")
    await ledger.settle(hold, entries=[entry(20), busy, large])
    adjusted = [(row["leg"], row["model"], row["amount_nusd"]) for row in till.entries(hold) if row["kind"] == "adjustment"]
    assert adjusted == [(0, "small", -280), (1, "large", -350)]
    assert till.sums(budget) == (270, 0)


async def test_a_late_settle_books_an_overrun_too(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(400, ttl_s=0))
    sweep(dsn=database.app_dsn())
    over = [entry(400), entry(33, kind="overrun")]
    assert [await ledger.settle(hold, entries=over) for _ in range(2)] == ["late", "again"]
    assert kinds(till, hold) == [("assumed", 0, 400), ("overrun", 0, 33)]
    assert (till.sums(budget), till.windows(budget)[0]["overrun_nusd"]) == ((400, 0), 33)


async def test_a_late_settle_above_what_was_assumed_never_passes_a_cap(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    fits, does_not = await ledger.reserve(till.asked([100, 100], ttl_s=0)), await ledger.reserve(till.asked([100, 100], ttl_s=0))
    sweep(dsn=database.app_dsn())  # assumes the first legs alone
    await ledger.reserve(till.asked(220))
    assert till.sums(budget) == (200, 220)
    assert await ledger.settle(fits, entries=[entry(90), entry(90, leg=1)]) == "late"
    assert till.sums(budget) == (280, 220)
    assert await ledger.settle(does_not, entries=[entry(90), entry(90, leg=1)]) == "late"
    assert till.sums(budget) == (270, 220)
    assert kinds(till, does_not) == [("assumed", 0, 100), ("adjustment", 0, -10), ("overrun", 1, 90)]


async def test_another_tenants_hold_is_unknown(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked([100, 100]))
    stolen = Hold(id=hold.id, tenant_id=till.cast.globex.id, rung=0, remaining_nusd=None)
    with pytest.raises(RefusedByDatabase, match="not known"):
        await ledger.settle(stolen, entries=[entry(1)])
    with pytest.raises(RefusedByDatabase, match="no leg"):
        await ledger.mark_sent(stolen, leg=1)
    row = till.hold(hold)
    assert row is not None
    assert (row["state"], row["sent"], till.sums(budget)) == ("open", 1, (0, 200))
    with pytest.raises(RefusedByDatabase, match="not known"):
        await ledger.settle(Hold(id=uuid4(), tenant_id=till.tenant_id, rung=0, remaining_nusd=None), entries=[entry(1)])


async def test_a_claim_on_a_hold_by_another_tenant_does_not_spoil_its_settling_in_the_same_batch(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(100))
    items = [{"id": hold.id, "tenant": tenant, "state": "settled", "entries": [entry(60)]} for tenant in (till.cast.globex.id, till.tenant_id)]
    assert till.call("billing_settle", *items) == ["unknown", "closed"]


async def test_one_bad_item_in_a_batch_spoils_no_other(ledger: Ledger, till: Till) -> None:
    budget = till.budget(10_000)
    good = [till.asked(100) for _ in range(5)]
    twice = till.asked(100)
    await ledger.reserve(twice)
    bad = [till.asked(-5), till.asked(100, tags=("a\0b",)), twice, till.asked(2**64 - 1), till.asked(100, time_zone="Mars/Olympus")]
    answers = await asyncio.gather(*(ledger.reserve(request) for pair in zip(good, bad, strict=True) for request in pair), return_exceptions=True)
    # a zone is looked at only where a window is opened, and this one is open
    assert [type(answer) for answer in answers[1::2]] == [RefusedByDatabase] * 4 + [Hold]
    assert [type(answer) for answer in answers[::2]] == [Hold] * 5
    holds = [answer for answer in answers if isinstance(answer, Hold)]
    amounts = [100, 101, 50, 100, 100, 0]  # the second is above its hold: a bug, and not booked
    settled = await asyncio.gather(
        *(ledger.settle(hold, entries=[entry(amount)]) for hold, amount in zip(holds, amounts, strict=True)), return_exceptions=True
    )
    assert [answer if isinstance(answer, str) else type(answer) for answer in settled] == ["closed", RefusedByDatabase, *["closed"] * 4]
    assert till.sums(budget) == (350, 200)


async def test_a_hold_is_never_closed_without_an_entry(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(100))
    with pytest.raises(ValueError, match="at least one entry"):
        await ledger.settle(hold, entries=[])
    with pytest.raises(Exception, match="at least one entry"):
        till.call("billing_settle", {"id": hold.id, "tenant": till.tenant_id, "state": "voided", "entries": []})


async def test_a_mark_is_kept_and_refused_once_the_hold_is_closed(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked([10, 20, 30]))
    await asyncio.gather(ledger.mark_sent(hold, leg=2), ledger.mark_sent(hold, leg=1))
    row = till.hold(hold)
    assert row is not None
    assert row["sent"] == 0b111
    for leg in (3, 63, 64, 65, -1):
        with pytest.raises(RefusedByDatabase, match="no leg"):
            await ledger.mark_sent(hold, leg=leg)
    await ledger.settle(hold, entries=[entry(10)])
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.mark_sent(hold, leg=2)


async def test_text_that_is_too_long_for_a_column_is_cut_off_and_booked(ledger: Ledger, till: Till) -> None:
    long = "x" * 500
    request = till.asked([100, 100], tags=(long, "t"), ttl_s=0)
    hold = await ledger.reserve(request)
    await ledger.settle(hold, entries=[entry(1, step=long, outcome=long, model=long, provider_request_id=long, price_version=long)])
    (booked,) = till.entries(hold)
    assert [len(booked[name]) for name in ("step", "outcome", "model", "provider_request_id", "price_version")] == [64, 32, 200, 200, 64]
    assert booked["tags"] == ["x" * 100, "t"]
