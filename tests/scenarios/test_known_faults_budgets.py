"""Faults of budgets that were found elsewhere, and that ours must not have. Races of check and spend are in tests/billing/ledger/test_admission.py
and test_concurrency.py, what a process forgets when it dies in test_kill_nine.py."""

import sys
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest

from billing.engine.budgets import Action, Period
from billing.engine.money import to_nusd
from billing.engine.tracking import BudgetConfig, CostTracker, MemorySpend

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)


def tracker(*periods: tuple[Period, str], spent: str) -> CostTracker:
    """Ann has spent this much, under a budget of a dime for each of the periods."""
    spend = MemorySpend([BudgetConfig(limit_nusd=to_nusd(limit), period=period, action=Action.BLOCK) for period, limit in periods])
    spend.add("ann", spent, now=NOW)
    return CostTracker(spend)


@pytest.mark.parametrize("later", [timedelta(hours=13), timedelta(days=10)])
def test_a_budget_comes_back_when_its_window_ends_though_nothing_was_booked_since(later: timedelta) -> None:
    ann = tracker((Period.DAILY, "0.10"), spent="0.20")
    assert not ann.can_afford("ann", "0.01", now=NOW).can_afford
    assert ann.can_afford("ann", "0.01", now=NOW + later).can_afford
    assert ann.get_user_summary("ann", now=NOW + later).remaining_nusd == 100_000_000


@pytest.mark.parametrize("period", [Period.WEEKLY, Period.MONTHLY, Period.TOTAL])
def test_a_daily_budget_with_room_hides_no_other_one_without(period: Period) -> None:
    ann = tracker((Period.DAILY, "100"), (period, "0.10"), spent="0.50")
    assert not ann.can_afford("ann", "0.01", now=NOW).can_afford


def test_the_first_request_of_all_is_measured_too() -> None:
    assert not tracker((Period.DAILY, "0.10"), spent="0").can_afford("ann", "5", now=NOW).can_afford


def test_a_charge_costs_the_same_work_however_many_came_before() -> None:
    ann = MemorySpend([BudgetConfig(limit_nusd=1, period=period) for period in Period])

    def steps() -> int:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            ann.add("ann", "0.001", now=NOW)
        finally:
            sys.settrace(before)
        return count

    ann.add("ann", "0.001", now=NOW)
    first = steps()
    for _ in range(2_000):
        ann.add("ann", "0.001", now=NOW)
    assert steps() == first
