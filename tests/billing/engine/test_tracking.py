"""CostTracker by itself: a script's budgets without a ledger, and the rule by which a rung is chosen."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.budgets import Action, BudgetScope, Period
from billing.engine.money import InvalidAmount
from billing.engine.tracking import BudgetConfig, CostTracker, MemorySpend, WindowSum, choose_rung

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def window(free: int, action: str) -> WindowSum:
    return WindowSum(
        name="", scope="tenant", subject="", period="total", action=action, limit_nusd=free, spent_nusd=0, held_nusd=0, start_at=NOON, end_at=NOON
    )


def test_a_user_can_afford_what_is_left_and_no_nano_more() -> None:
    spend = MemorySpend([BudgetConfig(limit_nusd=500_000_000)])
    tracker = CostTracker(spend)
    spend.add("ann", "0.45", now=NOON)
    assert tracker.can_afford("ann", "0.05", now=NOON).can_afford
    assert tracker.can_afford("ann", "0.050000001", now=NOON).verdict == "block"
    assert tracker.can_afford("ben", "0.5", now=NOON).can_afford
    assert tracker.get_user_summary("ann", now=NOON).remaining_nusd == 50_000_000
    assert tracker.can_afford("ann", "0.5", now=NOON + timedelta(days=1)).can_afford


def test_the_strictest_word_counts_and_a_shared_budget_is_everybodys() -> None:
    spend = MemorySpend(
        [
            BudgetConfig(limit_nusd=100, action=Action.WARN, period=Period.TOTAL), BudgetConfig(limit_nusd=200, action=Action.DEGRADE),
            BudgetConfig(limit_nusd=300, scope=BudgetScope.TENANT, period=Period.MONTHLY), BudgetConfig(limit_nusd=1, user_id="gus"),
        ]
    )  # fmt: skip
    tracker = CostTracker(spend)
    said = [tracker.can_afford("ann", f"0.000000{cost}", now=NOON) for cost in ("100", "150", "250", "301")]
    assert [answer.verdict for answer in said] == ["allow", "warn", "degrade", "block"]
    assert [answer.can_afford for answer in said] == [True, True, False, False]
    spend.add("ben", "0.0000002", now=NOON)
    assert tracker.can_afford("ann", "0.000000150", now=NOON).verdict == "block"


def test_what_costs_nothing_is_always_affordable_and_what_is_no_amount_is_said() -> None:
    tracker = CostTracker(MemorySpend([BudgetConfig(limit_nusd=0)]))
    assert tracker.can_afford("ann", 0, now=NOON).verdict == "allow"
    with pytest.raises(InvalidAmount):
        tracker.can_afford("ann", "some", now=NOON)


@pytest.mark.parametrize(
    ("windows", "rung"),
    [
        ([], 0), ([window(900, "block")], 0), ([window(899, "block")], None), ([window(500, "degrade")], 1), ([window(99, "degrade")], None),
        ([window(0, "warn")], 0), ([window(500, "degrade"), window(900, "block")], 1), ([window(500, "degrade"), window(500, "block")], None),
    ],
)  # fmt: skip
def test_only_budgets_that_degrade_are_met_by_a_cheaper_rung(windows: list[WindowSum], rung: int | None) -> None:
    assert choose_rung([900, 400, 100], windows) == rung
