"""What is admitted, and what is said where it is not."""

import asyncio
from uuid import uuid4

import pytest

from billing.ledger import Hold, HoldRefused, Ledger
from tests.billing.ledger.conftest import Till, attempt, entry

pytestmark = pytest.mark.asyncio


async def test_a_budget_of_ten_calls_admits_exactly_ten_of_64_at_once(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000)
    answers = await asyncio.gather(*(attempt(ledger, till.asked(100)) for _ in range(64)))
    assert sum(isinstance(answer, Hold) for answer in answers) == 10
    assert till.sums(budget) == (0, 1_000)
    assert sorted(answer.remaining_nusd for answer in answers if isinstance(answer, Hold)) == list(range(0, 1_000, 100))


async def test_what_is_exactly_free_is_admitted_and_one_more_is_not(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000_000)
    spent = await ledger.reserve(till.asked(400_000))
    await ledger.settle(spent, entries=[entry(400_000)])
    await ledger.reserve(till.asked(300_000))
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(300_001))
    assert (await ledger.reserve(till.asked(300_000))).remaining_nusd == 0
    assert till.sums(budget) == (400_000, 600_000)


async def test_a_call_is_held_in_every_window_that_applies(ledger: Ledger, till: Till) -> None:
    key = uuid4()
    budgets = [
        till.budget(10_000, period="daily"), till.budget(10_000, scope="end_user", period="monthly"),
        till.budget(10_000, scope="api_key", subject=str(key), period="weekly"), till.budget(10_000, scope="tier", subject="free"),
        till.budget(10_000, scope="tag", subject="search"),
    ]
    others = [
        till.budget(0, scope="api_key", subject=str(uuid4())), till.budget(0, scope="tier", subject="pro"),
        till.budget(0, scope="tag", subject="mail"), till.budget(0, scope="end_user", subject="ben"),
    ]
    hold = await ledger.reserve(till.asked(700, user="ann", api_key_id=key, tier="free", tags=("search", "search", "other")))
    assert [till.sums(budget) for budget in budgets] == [(0, 700)] * 5
    row = till.hold(hold)
    assert row is not None
    assert sorted(row["window_ids"]) == sorted(till.windows(budget)[0]["id"] for budget in budgets)
    assert row["labels"]["tags"] == ["search", "other"]
    assert [till.windows(budget) for budget in others] == [[]] * 4
    ann = str(till.subject("ann").end_user_id)
    assert [till.windows(budget)[0]["subject"] for budget in budgets] == ["", ann, "", ann, ""]
    await ledger.settle(hold, entries=[entry(300)])
    assert [till.sums(budget) for budget in budgets] == [(300, 0)] * 5


async def test_the_tightest_of_several_windows_decides(ledger: Ledger, till: Till) -> None:
    till.budget(1_000, period="daily")
    till.budget(500, scope="end_user", period="monthly")
    assert (await ledger.reserve(till.asked(400, user="ann"))).remaining_nusd == 100
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(200, user="ann"))
    assert refused.value.binding is not None
    assert refused.value.binding.scope == "end_user"
    assert (await ledger.reserve(till.asked(500, user="ben"))).remaining_nusd == 0
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(500, user="cem"))
    assert refused.value.binding is not None
    assert refused.value.binding.scope == "tenant"


async def test_a_budget_that_warns_never_refuses_but_warns(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, action="warn", name="eye on it")
    first = await ledger.reserve(till.asked(100))
    assert (first.warnings, first.remaining_nusd) == ([], None)
    second = await ledger.reserve(till.asked(50))
    (warning,) = second.warnings
    assert (warning.name, warning.limit_nusd, warning.cap_nusd, warning.held_nusd) == ("eye on it", 100, None, 150)
    assert till.sums(budget) == (0, 150)


async def test_a_budget_that_degrades_takes_a_cheaper_rung_where_one_that_blocks_refuses(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000, action="degrade")
    assert (await ledger.reserve(till.asked(900, 200, 50))).rung == 0
    assert (await ledger.reserve(till.asked(900, 200, 50))).rung == 2
    till.change(budget, action="block")
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(900, 50))
    assert refused.value.asked_of(refused.value.windows[0]) == 900
    till.change(budget, action="degrade")
    assert (await ledger.reserve(till.asked(900, 50))).rung == 1
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(900, 1))
    assert refused.value.asked_of(refused.value.windows[0]) == 1


async def test_a_blocking_budget_beside_a_degrading_one_must_bear_the_best_rung(ledger: Ledger, till: Till) -> None:
    till.budget(1_000, scope="tier", subject="free", action="degrade")
    blocking = till.budget(5_000)
    assert (await ledger.reserve(till.asked(2_000, 600, user="ann", tier="free"))).rung == 1
    till.change(blocking, limit_nusd=2_000)
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(2_000, 100, user="ann", tier="free"))
    assert refused.value.binding is not None
    assert refused.value.binding.scope == "tenant"


async def test_an_end_users_own_budget_takes_the_place_of_the_one_for_each(ledger: Ledger, till: Till) -> None:
    till.budget(100, scope="end_user", period="daily")
    monthly = till.budget(10_000, scope="end_user", period="monthly")
    own = till.budget(500, scope="end_user", subject="ann", period="daily")
    hold = await ledger.reserve(till.asked(400, user="ann"))
    row = till.hold(hold)
    assert row is not None
    assert sorted(row["window_ids"]) == sorted(till.windows(budget)[0]["id"] for budget in (own, monthly))
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(101, user="ben"))
    till.change(own, is_paused=True)
    with pytest.raises(HoldRefused):  # bound by the one for each again, which knows nothing of the 400
        await ledger.reserve(till.asked(101, user="ann"))


async def test_a_paused_or_ended_budget_binds_nobody(ledger: Ledger, till: Till) -> None:
    budget = till.budget(0)
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(1))
    till.change(budget, is_paused=True)
    assert (await ledger.reserve(till.asked(1))).remaining_nusd is None
    till.change(budget, is_paused=False)
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(1))
    till.change(budget, ended_at="now")
    assert (await ledger.reserve(till.asked(1))).remaining_nusd is None


async def test_a_limit_raised_or_lowered_holds_from_the_next_admission(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100)
    hold = await ledger.reserve(till.asked(100))
    till.change(budget, limit_nusd=150)
    assert (await ledger.reserve(till.asked(50))).remaining_nusd == 0
    till.change(budget, limit_nusd=20)
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(1))
    assert refused.value.windows[0].limit_nusd == 20
    assert till.windows(budget)[0]["cap_high_nusd"] == 150
    assert await ledger.settle(hold, entries=[entry(100)]) == "closed"
    assert (await ledger.reserve(till.asked(0))).remaining_nusd == 0  # what costs nothing passes even a window beyond its limit


async def test_a_budget_that_warned_and_now_blocks_counts_what_was_spent(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, action="warn")
    await ledger.settle(await ledger.reserve(till.asked(300)), entries=[entry(300)])
    till.change(budget, action="block")
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(1))
    (window,) = till.windows(budget)
    assert (window["cap_nusd"], window["cap_high_nusd"], window["spent_nusd"]) == (100, 300, 300)
    till.change(budget, limit_nusd=301)
    await ledger.reserve(till.asked(1))


async def test_an_unpriced_call_is_refused_only_where_a_budget_stops_calls(ledger: Ledger, till: Till) -> None:
    await ledger.reserve(till.asked(0, unpriced=True))
    warns = till.budget(10, action="warn")
    await ledger.reserve(till.asked(0, unpriced=True))
    till.change(warns, action="degrade")
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(0, unpriced=True))
    assert refused.value.unpriced
    assert not refused.value.only_held
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(11))
    assert not refused.value.unpriced


async def test_a_refusal_carries_its_arithmetic(ledger: Ledger, till: Till) -> None:
    budget = till.budget(1_000, period="monthly", name="November")
    await ledger.settle(await ledger.reserve(till.asked(600)), entries=[entry(600)])
    await ledger.reserve(till.asked(300))
    with pytest.raises(HoldRefused) as caught:
        await ledger.reserve(till.asked(200, 150))
    refused = caught.value
    (facts,) = refused.windows
    assert facts == refused.binding
    assert (facts.budget, facts.name, facts.limit_nusd, facts.spent_nusd, facts.held_nusd) == (budget, "November", 1_000, 600, 300)
    assert (refused.best_nusd, refused.cheapest_nusd) == (200, 150)
    assert (facts.start_at, facts.end_at) == tuple(till.windows(budget)[0][edge] for edge in ("start_at", "end_at"))


async def test_money_that_is_only_held_is_told_from_money_that_is_spent(ledger: Ledger, till: Till) -> None:
    till.budget(1_000)
    hold = await ledger.reserve(till.asked(900))
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(200))
    assert refused.value.only_held
    await ledger.settle(hold, entries=[entry(900)])
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(200))
    assert not refused.value.only_held


async def test_without_a_budget_everything_is_admitted_and_booked(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(10**15, user="ann"))
    assert hold.remaining_nusd is None
    assert await ledger.settle(hold, entries=[entry(5)]) == "closed"
    assert [row["amount_nusd"] for row in till.entries(hold)] == [5]


async def test_another_tenants_budget_binds_nobody_here(ledger: Ledger, till: Till) -> None:
    till.budget(0, tenant_id=till.cast.globex.id)
    await ledger.reserve(till.asked(5))
