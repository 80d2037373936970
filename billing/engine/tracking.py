"""What a user may still spend: the arithmetic of budgets for people and scripts. Nothing here holds money; the ledger alone does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from billing.engine.budgets import Action, BudgetScope, Period, window_bounds
from billing.engine.money import to_nusd

Verdict = Literal["allow", "warn", "degrade", "block"]


class BudgetConfig(Struct, frozen=True, kw_only=True):
    """A limit in nano-USD on what each user (or, with `user_id`, one user) may spend in a window of time."""

    limit_nusd: int
    period: Period = Period.DAILY
    action: Action = Action.BLOCK
    scope: BudgetScope = BudgetScope.END_USER
    name: str = ""
    user_id: str | None = None


class WindowSum(Struct, frozen=True, kw_only=True):
    """One running window: what its budget allows, what is spent, and what calls in flight hold. Nano-USD."""

    name: str
    scope: str
    subject: str
    period: str
    action: str
    limit_nusd: int
    spent_nusd: int
    held_nusd: int
    start_at: datetime
    end_at: datetime

    @property
    def free_nusd(self) -> int:
        return max(0, self.limit_nusd - self.spent_nusd - self.held_nusd)


class Affordability(Struct, frozen=True, kw_only=True):
    """May a cost be spent? `verdict` says what would happen, `remaining_nusd` what the tightest budget that stops calls has left."""

    can_afford: bool
    verdict: Verdict
    remaining_nusd: int | None
    windows: Sequence[WindowSum]


class UserSummary(Struct, frozen=True, kw_only=True):
    """What one user has spent and may still spend, window by window."""

    user_id: str
    windows: Sequence[WindowSum]
    remaining_nusd: int | None


class SpendSource(Protocol):
    """Knows the running windows of a user: the ledger for a tenant (billing/reports/), or `MemorySpend` for a script."""

    def windows_of(self, user_id: str, *, now: datetime) -> Sequence[WindowSum]: ...


class CostTracker:
    """Answers for users: can they afford it, and how do they stand?"""

    def __init__(self, source: SpendSource) -> None:
        self._source = source

    def can_afford(self, user_id: str, estimated_cost: str | int, *, now: datetime) -> Affordability:
        """Return whether the user may spend `estimated_cost` USD (decimal text, exact) at `now`. Raises InvalidAmount.

        Only an admission by the ledger is a promise: between this answer and a call others may spend.
        Worked number: of a daily 0.50 USD with 0.30 spent and 0.15 held, 0.05 can be afforded and 0.051 cannot.
        """
        return affordability(self._source.windows_of(user_id, now=now), cost_nusd=to_nusd(estimated_cost))

    def get_user_summary(self, user_id: str, *, now: datetime) -> UserSummary:
        """Return the user's running windows at `now`, and what the tightest one that stops calls has left."""
        windows = self._source.windows_of(user_id, now=now)
        return UserSummary(user_id=user_id, windows=windows, remaining_nusd=remaining_nusd(windows))


def affordability(windows: Sequence[WindowSum], *, cost_nusd: int) -> Affordability:
    """Return what the windows say to a cost: the strictest word of those that it does not fit. What costs nothing always fits."""
    short = {window.action for window in windows if cost_nusd > 0 and cost_nusd > window.limit_nusd - window.spent_nusd - window.held_nusd}
    verdict: Verdict = "block" if "block" in short else "degrade" if "degrade" in short else "warn" if "warn" in short else "allow"
    return Affordability(
        can_afford=verdict in ("allow", "warn"), verdict=verdict, remaining_nusd=remaining_nusd(windows), windows=windows
    )


def remaining_nusd(windows: Sequence[WindowSum]) -> int | None:
    """Return what the tightest window that stops or degrades calls has left; None where none does."""
    return min((window.free_nusd for window in windows if window.action != Action.WARN), default=None)


def choose_rung(amounts: Sequence[int], windows: Sequence[WindowSum]) -> int | None:
    """Return the index of the rung that the ledger would admit, or None where it would refuse: the rule of billing_reserve.

    `amounts` are the worst costs of the rungs in nano-USD, dearest first. Budgets that block must bear the first one, since only budgets
    that degrade are met by a cheaper rung. Worked number: rungs of 900, 400 and 100 with 500 free under degrade give 1; under block, None.
    """
    blocking = min((window.free_nusd for window in windows if window.action == Action.BLOCK), default=None)
    capped = remaining_nusd(windows)
    if blocking is not None and amounts[0] > blocking:
        return None
    return next((number for number, amount in enumerate(amounts) if capped is None or amount <= capped), None)


class MemorySpend:
    """Budgets and spend in memory, for scripts and tests without a ledger."""

    def __init__(self, budgets: Sequence[BudgetConfig], *, zone: str = "UTC") -> None:
        self._budgets, self._zone = budgets, zone
        self._spent: dict[tuple[int, str, datetime], int] = {}

    def add(self, user_id: str, cost: str | int, *, now: datetime) -> None:
        """Note that the user spent `cost` USD at `now`. Raises InvalidAmount."""
        amount = to_nusd(cost)
        for number, budget in enumerate(self._budgets):
            if budget.user_id in (None, user_id):
                key = (number, self._whose(budget, user_id), self._start(budget, now))
                self._spent[key] = self._spent.get(key, 0) + amount

    def windows_of(self, user_id: str, *, now: datetime) -> Sequence[WindowSum]:
        found = []
        for number, budget in enumerate(self._budgets):
            if budget.user_id in (None, user_id):
                start, end = window_bounds(period=budget.period, zone=self._zone, instant=now)
                whose = self._whose(budget, user_id)
                found.append(
                    WindowSum(
                        name=budget.name, scope=budget.scope, subject=whose, period=budget.period, action=budget.action, limit_nusd=budget.limit_nusd,
                        spent_nusd=self._spent.get((number, whose, start), 0), held_nusd=0, start_at=start, end_at=end,
                    )
                )
        return found

    def _start(self, budget: BudgetConfig, now: datetime) -> datetime:
        return window_bounds(period=budget.period, zone=self._zone, instant=now)[0]

    def _whose(self, budget: BudgetConfig, user_id: str) -> str:
        return "" if budget.scope == BudgetScope.TENANT else user_id
