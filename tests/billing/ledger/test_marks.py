"""Soft marks are passed once a window, overrides end by themselves, and a model that bills beyond its bound is set aside."""

import asyncio
from uuid import UUID

import pytest

from billing.ledger import HoldRefused, Ledger
from tests.billing.ledger.conftest import Till, attempt, entry


def marks(till: Till, budget: UUID) -> list[tuple[int, int, int]]:
    rows = till.owner.execute(
        "SELECT m.percent, m.spent_nusd, m.limit_nusd FROM billing_budgetmark m JOIN billing_budgetwindow w ON w.id = m.window_id"
        " WHERE w.budget_id = %s ORDER BY m.percent", [budget],
    ).fetchall()  # fmt: skip
    return [(row["percent"], row["spent_nusd"], row["limit_nusd"]) for row in rows]


async def spend(ledger: Ledger, till: Till, amount: int, **subject: str) -> None:
    hold = await ledger.reserve(till.asked(amount, **subject))  # type: ignore[arg-type]
    await ledger.settle(hold, entries=[entry(amount)])


@pytest.mark.asyncio
async def test_each_mark_is_passed_once_with_what_was_spent(till: Till, ledger: Ledger) -> None:
    budget = till.budget(100, soft_marks=[50, 80, 100])
    await spend(ledger, till, 49)
    assert marks(till, budget) == []
    await spend(ledger, till, 1)
    assert marks(till, budget) == [(50, 50, 100)]
    await spend(ledger, till, 50)
    assert marks(till, budget) == [(50, 50, 100), (80, 100, 100), (100, 100, 100)]


@pytest.mark.asyncio
async def test_a_mark_is_passed_once_by_calls_that_race(till: Till, ledger: Ledger) -> None:
    budget = till.budget(1000, soft_marks=[10, 20], action="warn")
    await asyncio.gather(*(spend(ledger, till, 10) for _ in range(60)))
    assert [mark[0] for mark in marks(till, budget)] == [10, 20]


@pytest.mark.asyncio
async def test_marks_that_are_changed_hold_for_the_running_window(till: Till, ledger: Ledger) -> None:
    budget = till.budget(100, soft_marks=[90])
    await spend(ledger, till, 60)
    till.change(budget, soft_marks=[50, 90])
    await spend(ledger, till, 1)
    assert [mark[0] for mark in marks(till, budget)] == [50]
    till.change(budget, limit_nusd=60)
    await attempt(ledger, till.asked(0))
    await spend(ledger, till, 0)
    assert [mark[0] for mark in marks(till, budget)] == [50, 90]


@pytest.mark.asyncio
async def test_a_limit_of_nothing_has_no_mark_to_pass(till: Till, ledger: Ledger) -> None:
    budget = till.budget(0, soft_marks=[50, 100])
    await spend(ledger, till, 0)
    assert marks(till, budget) == []


@pytest.mark.asyncio
async def test_an_override_takes_the_limits_place_until_it_ends(till: Till, ledger: Ledger) -> None:
    budget = till.budget(100)
    await spend(ledger, till, 100)
    till.change(budget, override_limit_nusd=150, override_until="tomorrow")
    await spend(ledger, till, 50)
    till.change(budget, override_until="yesterday")
    refused = await attempt(ledger, till.asked(1))
    assert isinstance(refused, HoldRefused)
    (facts,) = refused.windows
    assert (facts.limit_nusd, facts.spent_nusd) == (100, 150)
    assert facts.window == till.windows(budget)[0]["id"]


@pytest.mark.asyncio
async def test_an_override_may_be_lower_too(till: Till, ledger: Ledger) -> None:
    budget = till.budget(100)
    await spend(ledger, till, 20)
    till.change(budget, override_limit_nusd=20, override_until="tomorrow")
    assert isinstance(await attempt(ledger, till.asked(1)), HoldRefused)
    till.change(budget, override_limit_nusd=None, override_until=None)
    await spend(ledger, till, 80)


@pytest.mark.asyncio
async def test_a_window_that_opens_under_an_override_has_its_limit(till: Till, ledger: Ledger) -> None:
    budget = till.budget(100, override_limit_nusd=10, override_until="tomorrow")
    assert isinstance(await attempt(ledger, till.asked(11)), HoldRefused)
    assert till.windows(budget)[0]["limit_nusd"] == 10


@pytest.mark.asyncio
async def test_a_model_that_billed_beyond_its_bound_is_set_aside_once_and_the_configuration_is_read_again(till: Till, ledger: Ledger) -> None:
    version = "SELECT config_version FROM tenants_tenant WHERE id = %s"
    before = till.owner.execute(version, [till.tenant_id]).fetchone()
    for _ in range(2):
        hold = await ledger.reserve(till.asked(10))
        await ledger.settle(hold, entries=[entry(10), entry(5, kind="overrun")])
    rows = till.owner.execute("SELECT * FROM billing_quarantinedmodel WHERE tenant_id = %s", [till.tenant_id]).fetchall()
    assert [(row["provider"], row["model"], row["cleared_at"]) for row in rows] == [("openai", "small", None)]
    assert "0.000000005 USD more than the bound" in rows[0]["reason"]
    after = till.owner.execute(version, [till.tenant_id]).fetchone()
    assert after["config_version"] > before["config_version"]  # type: ignore[index]
