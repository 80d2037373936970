"""Where a budget's windows begin and end, and what a new one knows."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from billing.engine.budgets import Period, window_bounds
from billing.ledger import HoldRefused, Ledger
from tests import database
from tests.billing.ledger.conftest import Till, attempt, entry

pytestmark = pytest.mark.asyncio
PERIODS = [Period.DAILY, Period.WEEKLY, Period.MONTHLY, Period.TOTAL]


async def test_windows_are_those_of_the_tenants_zone_at_the_moment_of_the_call(ledger: Ledger, till: Till) -> None:
    budgets = {period: till.budget(1_000, period=period.value) for period in PERIODS}
    hold = await ledger.reserve(till.asked(1, time_zone="Pacific/Apia"))
    row = till.hold(hold)
    assert row is not None
    for period, budget in budgets.items():
        (window,) = till.windows(budget)
        assert (window["start_at"], window["end_at"]) == window_bounds(period=period, zone="Pacific/Apia", instant=row["created_at"])


async def test_a_budget_set_in_mid_window_knows_what_was_spent_before(ledger: Ledger, till: Till) -> None:
    for user, amount in (("ann", 70), ("ben", 20)):
        hold = await ledger.reserve(till.asked(100, user=user, tier="free", tags=("search",)))
        await ledger.settle(hold, entries=[entry(amount), entry(0, kind="voided", leg=1)])
    budgets = {
        "tenant": till.budget(1_000, period="daily"), "each": till.budget(1_000, scope="end_user", period="monthly"),
        "ann": till.budget(1_000, scope="end_user", subject="ann", period="weekly"), "tier": till.budget(1_000, scope="tier", subject="free"),
        "tag": till.budget(1_000, scope="tag", subject="search"), "other tag": till.budget(1_000, scope="tag", subject="mail"),
    }
    await ledger.reserve(till.asked(5, user="ann", tier="free", tags=("search", "mail")))
    opened = {name: [(window["opening_nusd"], window["spent_nusd"]) for window in till.windows(budget)] for name, budget in budgets.items()}
    assert opened == {"tenant": [(90, 90)], "each": [(70, 70)], "ann": [(70, 70)], "tier": [(70, 70)], "tag": [(90, 90)], "other tag": [(0, 0)]}


async def test_a_budget_set_below_what_was_spent_refuses_and_breaks_nothing(ledger: Ledger, till: Till) -> None:
    await ledger.settle(await ledger.reserve(till.asked(100)), entries=[entry(100)])
    budget = till.budget(60)
    with pytest.raises(HoldRefused) as refused:
        await ledger.reserve(till.asked(1))
    assert (refused.value.windows[0].spent_nusd, refused.value.windows[0].limit_nusd) == (100, 60)
    assert till.windows(budget)[0]["cap_high_nusd"] == 100


async def test_what_was_spent_before_the_window_or_before_an_older_budget_does_not_count(ledger: Ledger, till: Till) -> None:
    await ledger.settle(await ledger.reserve(till.asked(100)), entries=[entry(100)])
    older = till.budget(1_000, period="daily", created_at=datetime.now(UTC) - timedelta(days=3))
    await ledger.reserve(till.asked(1))
    assert till.windows(older)[0]["opening_nusd"] == 0  # it bound every call of its window: none was before it


async def test_after_a_window_ends_the_next_one_is_empty(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, period="daily")
    late = await ledger.reserve(till.asked(100))
    till.owner.execute(  # let it be of yesterday
        "UPDATE billing_budgetwindow SET start_at = start_at - interval '1 day', end_at = start_at WHERE budget_id = %s", [budget]
    )
    await ledger.reserve(till.asked(100))
    yesterday, today = till.windows(budget)
    assert (yesterday["held_nusd"], today["held_nusd"]) == (100, 100)
    assert yesterday["end_at"] <= today["start_at"]
    assert await ledger.settle(late, entries=[entry(40)]) == "closed"
    yesterday, today = till.windows(budget)
    assert (yesterday["spent_nusd"], today["spent_nusd"]) == (40, 0)  # a call belongs to the window of its hold


async def test_when_the_clock_goes_back_the_newest_window_stays_the_one(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, period="daily")
    await ledger.reserve(till.asked(10))
    till.owner.execute(  # as after a clock that went ahead for a while
        "INSERT INTO billing_budgetwindow (tenant_id, budget_id, subject, start_at, end_at, limit_nusd, cap_nusd, cap_high_nusd, opening_nusd,"
        " spent_nusd, held_nusd, overrun_nusd) SELECT tenant_id, budget_id, subject, end_at, end_at + interval '1 day', 100, 100, 100, 0, 0, 0, 0"
        " FROM billing_budgetwindow WHERE budget_id = %s", [budget],
    )  # fmt: skip
    assert (await ledger.reserve(till.asked(95))).remaining_nusd == 5
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(6))
    assert [window["held_nusd"] for window in till.windows(budget)] == [10, 95]


async def test_a_change_of_the_time_zone_takes_effect_where_the_running_window_ends(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, period="daily")
    await ledger.reserve(till.asked(60, time_zone="Europe/Berlin"))
    with pytest.raises(HoldRefused):
        await ledger.reserve(till.asked(60, time_zone="Pacific/Kiritimati"))
    ended = datetime.now(UTC) - timedelta(seconds=30)
    move = "UPDATE billing_budgetwindow SET start_at = %s - interval '20 hours', end_at = %s WHERE budget_id = %s"
    till.owner.execute(move, [ended, ended, budget])
    hold = await ledger.reserve(till.asked(60, time_zone="Asia/Kolkata"))
    row = till.hold(hold)
    assert row is not None
    _, running = till.windows(budget)
    start, end = window_bounds(period=Period.DAILY, zone="Asia/Kolkata", instant=row["created_at"])
    assert (running["start_at"], running["end_at"]) == (max(start, ended), end)


async def test_callers_who_differ_about_the_zone_open_one_window_between_them(ledger: Ledger, till: Till) -> None:
    budget = till.budget(100, period="daily")
    with psycopg.connect(database.app_dsn()) as first:
        first.execute("SELECT * FROM billing_reserve(%s)", [till.batch(till.asked(60, time_zone="Pacific/Kiritimati"))])
        second = asyncio.create_task(attempt(ledger, till.asked(60, time_zone="America/New_York")))
        assert not (await asyncio.wait([second], timeout=0.3))[0]  # it waits, for the first may still fail
    assert isinstance(await second, HoldRefused)
    assert [window["held_nusd"] for window in till.windows(budget)] == [60]
