"""Corrections of what is booked: signed entries on closed holds, each once, and no window over its cap or below nothing."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from billing.ledger import Adjustment, Hold, Ledger, post_adjustments, sweep
from billing.ledger.adjustments import ADJUST_BATCH
from tests import database
from tests.billing.ledger.conftest import Row, Till, entry
from tests.billing.ledger.test_marks import marks


async def booked(ledger: Ledger, till: Till, *amounts: int, kind: str = "settled", held: int | None = None, **asked: Any) -> Hold:
    """A closed hold with one leg an amount."""
    hold = await ledger.reserve(till.asked([held if held is not None else amount for amount in amounts], **asked))
    await ledger.settle(hold, entries=[entry(amount, kind=kind, leg=leg, input_tokens=10, output_tokens=5) for leg, amount in enumerate(amounts)])
    return hold


def change(till: Till, hold: Hold, amount: int, **fields: Any) -> Adjustment:
    values = {"leg": 0, "attempt": 1, "actor": "finn", "reason": "the invoice says so", "reference": "invoice 7", **fields}
    return Adjustment(tenant=values.pop("tenant", till.tenant_id), reservation=hold.id, amount=amount, **values)


def post(*adjustments: Adjustment) -> list[str]:
    return list(post_adjustments(dsn=database.app_dsn(), adjustments=adjustments))


def corrections(till: Till, hold: Hold) -> list[tuple[str, int, int]]:
    return [(row["kind"], row["leg"], row["amount_nusd"]) for row in till.entries(hold) if row["actor"]]


def newest(till: Till, hold: Hold, leg: int = 0) -> UUID:
    return max(row["id"] for row in till.entries(hold) if row["leg"] == leg)


@pytest.mark.asyncio
async def test_less_is_free_again_in_every_window_and_filed_as_the_entry_it_corrects(ledger: Ledger, till: Till) -> None:
    budgets = [till.budget(1_000), till.budget(500, scope="end_user", action="degrade")]
    hold = await booked(ledger, till, 400, user="ann", tier="free", tags=("search",))
    till.owner.execute("UPDATE tenants_tenant SET time_zone = 'Pacific/Kiritimati' WHERE id = %s", [till.tenant_id])
    assert post(change(till, hold, -250, input_tokens=-4, output_tokens=2, price_version="v2")) == ["posted"]
    assert [till.sums(budget) for budget in budgets] == [(150, 0)] * 2
    first, second = till.entries(hold)
    assert (second["kind"], second["amount_nusd"], second["input_tokens"], second["output_tokens"]) == ("adjustment", -250, -4, 2)
    assert (second["actor"], second["reason"], second["reference"], second["price_version"]) == ("finn", "the invoice says so", "invoice 7", "v2")
    labels = ("step", "provider", "model", "end_user_id", "tier", "domain", "preset", "tags", "occurred_at", "occurred_on")
    assert [first[name] for name in labels] == [second[name] for name in labels]
    row = till.hold(hold)
    assert row is not None
    assert (row["state"], row["actual_nusd"]) == ("settled", 400)


@pytest.mark.asyncio
async def test_more_is_spent_where_it_fits_and_an_overrun_where_it_does_not(ledger: Ledger, till: Till) -> None:
    narrow, wide = till.budget(500), till.budget(10_000, action="degrade")
    hold = await booked(ledger, till, 400)
    still_open = await ledger.reserve(till.asked(40))
    assert post(change(till, hold, 60, reference="a")) == ["posted"]
    assert [till.sums(budget) for budget in (narrow, wide)] == [(460, 40)] * 2
    assert post(change(till, hold, 1, reference="b")) == ["posted"]
    assert [till.sums(budget) for budget in (narrow, wide)] == [(460, 40)] * 2
    assert [till.windows(budget)[0]["overrun_nusd"] for budget in (narrow, wide)] == [1, 1]
    assert corrections(till, hold) == [("adjustment", 0, 60), ("overrun", 0, 1)]
    await ledger.release(still_open, entry=entry(0, kind="voided"))
    quarantined = till.owner.execute("SELECT count(*) AS n FROM billing_quarantinedmodel WHERE tenant_id = %s", [till.tenant_id]).fetchone()
    assert quarantined == {"n": 0}, "the provider did nothing wrong"


@pytest.mark.asyncio
async def test_a_budget_that_only_warns_takes_any_correction(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, action="warn")
    hold = await booked(ledger, till, 90)
    assert post(change(till, hold, 500)) == ["posted"]
    assert till.sums(budget) == (590, 0)


@pytest.mark.asyncio
async def test_what_is_less_takes_overruns_back_first_since_they_were_never_spent(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(500))
    await ledger.settle(hold, entries=[entry(500), entry(77, kind="overrun")])
    assert post(change(till, hold, -30, reference="a", input_tokens=-3)) == ["posted"]
    assert (till.sums(budget), till.windows(budget)[0]["overrun_nusd"]) == ((500, 0), 47)
    assert post(change(till, hold, -100, reference="b", input_tokens=-3)) == ["posted"]
    assert (till.sums(budget), till.windows(budget)[0]["overrun_nusd"]) == ((447, 0), 0)
    assert sorted(corrections(till, hold)) == [("adjustment", 0, -53), ("overrun", 0, -47), ("overrun", 0, -30)]
    assert sum(row["input_tokens"] for row in till.entries(hold)) == -6, "the tokens of one correction count once"


@pytest.mark.asyncio
async def test_nothing_is_taken_back_that_is_not_there(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold, other = await booked(ledger, till, 100, 300), await booked(ledger, till, 50)
    assert post(change(till, hold, -101)) == ["too_low"]
    assert post(change(till, hold, -100), change(till, hold, -301, leg=1), change(till, other, -50)) == ["posted", "too_low", "posted"]
    assert till.sums(budget) == (300, 0)
    assert post(change(till, hold, -1, reference="again")) == ["too_low"]


@pytest.mark.asyncio
async def test_a_correction_posted_twice_counts_once(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold = await booked(ledger, till, 400)
    once = change(till, hold, -100)
    assert post(once, once) == ["posted", "again"]
    assert post(once) == ["again"]
    assert till.sums(budget) == (300, 0)
    with_anchor = change(till, hold, -100, after=newest(till, hold), reference="other")
    assert [post(with_anchor), post(with_anchor)] == [["posted"], ["again"]]
    assert till.sums(budget) == (200, 0)


@pytest.mark.asyncio
async def test_a_correction_of_something_that_has_changed_since_is_not_posted(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold = await booked(ledger, till, 400)
    known = newest(till, hold)
    assert post(change(till, hold, -50, reference="a", after=known), change(till, hold, -60, reference="b", after=known)) == ["posted", "changed"]
    assert post(change(till, hold, -60, reference="b", after=known)) == ["changed"]
    assert post(change(till, hold, -60, reference="b", after=newest(till, hold))) == ["posted"]
    assert till.sums(budget) == (290, 0)


@pytest.mark.asyncio
async def test_a_batch_that_dies_half_way_is_finished_by_posting_it_again(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000_000)
    holds = await asyncio.gather(*(booked(ledger, till, 100) for _ in range(ADJUST_BATCH + 20)))
    changes = [change(till, hold, -10) for hold in holds]
    broken = change(till, holds[-1], -10, reference="x", actor="")
    with pytest.raises(psycopg.DatabaseError, match="says who posts it, why") as refused:
        post(*changes[:-1], broken)
    assert refused.value.sqlstate == "CF004"
    assert till.sums(budget) == (100 * len(holds) - 10 * ADJUST_BATCH, 0), "the first batch is durable, the second left nothing behind"
    assert post(*changes) == ["again"] * ADJUST_BATCH + ["posted"] * 20
    assert till.sums(budget) == (90 * len(holds), 0)


@pytest.mark.asyncio
async def test_an_open_hold_is_not_corrected_yet_and_a_strangers_never(ledger: Ledger, till: Till) -> None:
    still_open = await ledger.reserve(till.asked(100, ttl_s=0))
    assert post(change(till, still_open, -10)) == ["open"]
    hold = await booked(ledger, till, 100)
    assert post(change(till, hold, -10, tenant=till.cast.globex.id)) == ["unknown"]
    nobodys = Hold(id=uuid4(), tenant_id=till.tenant_id, rung=0, remaining_nusd=None)
    assert post(change(till, hold, -10, leg=1), change(till, hold, -10, attempt=2), change(till, nobodys, 1)) == ["unknown"] * 3
    sweep(dsn=database.app_dsn())
    assert post(change(till, still_open, -10)) == ["posted"]


@pytest.mark.asyncio
async def test_a_failure_that_was_billed_after_all_is_booked_on_the_voided_hold(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold = await ledger.reserve(till.asked(300))
    await ledger.settle(hold, entries=[entry(0, kind="voided", is_unverified=True)])
    assert post(change(till, hold, 120, input_tokens=9)) == ["posted"]
    assert till.sums(budget) == (120, 0)


@pytest.mark.asyncio
async def test_each_attempt_of_a_leg_is_corrected_by_itself(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    hold = await ledger.reserve(till.asked(300))
    await ledger.settle(hold, entries=[entry(0, kind="voided", model="busy"), entry(200, attempt=2, model="small")])
    assert post(change(till, hold, -10), change(till, hold, -10, attempt=2)) == ["too_low", "posted"]
    assert till.entries(hold)[-1]["model"] == "small"
    assert till.sums(budget) == (190, 0)


@pytest.mark.asyncio
async def test_a_correction_passes_soft_marks(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000, soft_marks=[50, 80])
    hold = await booked(ledger, till, 400)
    post(change(till, hold, 200, reference="a"))
    assert marks(till, budget) == [(50, 600, 1_000)]
    post(change(till, hold, -300, reference="b"), change(till, hold, 100, reference="c"))
    assert [mark[0] for mark in marks(till, budget)] == [50]


@pytest.mark.asyncio
async def test_a_late_settle_after_a_correction_leads_to_what_came_in(ledger: Ledger, till: Till) -> None:
    budget = till.budget(500)
    hold = await ledger.reserve(till.asked(400, ttl_s=0))
    sweep(dsn=database.app_dsn())
    assert post(change(till, hold, -100)) == ["posted"]
    assert await ledger.settle(hold, entries=[entry(150)]) == "late"
    assert till.sums(budget) == (150, 0)


def day_sums(till: Till) -> list[Row]:
    return till.owner.execute(
        "SELECT dimension, cost_nusd, entries, input_tokens FROM billing_dayrollup WHERE tenant_id = %s AND dimension IN ('all', 'tag')",
        [till.tenant_id],
    ).fetchall()  # fmt: skip


@pytest.mark.asyncio
async def test_corrections_reach_the_day_sums(ledger: Ledger, till: Till) -> None:
    hold = await booked(ledger, till, 400, tags=("search",))
    post(change(till, hold, -100, input_tokens=-3))
    expected = {"cost_nusd": 300, "entries": 2, "input_tokens": 7}
    assert sorted(day_sums(till), key=lambda row: row["dimension"]) == [{"dimension": "all", **expected}, {"dimension": "tag", **expected}]


@pytest.mark.asyncio
async def test_corrections_race_with_calls_and_with_each_other(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100_000)
    holds = [await booked(ledger, till, 100) for _ in range(30)]
    changes = [change(till, hold, -10) for hold in holds]

    async def call() -> None:
        await ledger.settle(await ledger.reserve(till.asked(100)), entries=[entry(70)])

    rivals = [asyncio.to_thread(post, *order) for order in (changes, changes[::-1], changes[15:] + changes[:15])]
    results = await asyncio.gather(*rivals, *(call() for _ in range(200)))
    assert sorted(status for statuses in results[:3] for status in statuses or []) == ["again"] * 60 + ["posted"] * 30  # type: ignore[union-attr]
    assert till.sums(budget) == (30 * 90 + 200 * 70, 0)
