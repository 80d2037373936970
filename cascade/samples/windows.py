"""What the ledger's budgets make of the made-up calls: the same windows, the same refusals, one call after the other."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.engine.budgets import Period, window_bounds
from billing.models import Budget


class Window:
    """One row of billing_budgetwindow in the making, with the marks that it passes. `place` counts the windows of a tenant, from 0."""

    def __init__(self, place: int, budget: Budget, subject: str, start_at: datetime, end_at: datetime) -> None:
        self.place, self.budget, self.subject, self.start_at, self.end_at = place, budget, subject, start_at, end_at
        self.spent = 0
        self.marks: list[tuple[int, int, datetime]] = []

    @property
    def cap(self) -> int | None:
        return None if self.budget.action == "warn" else int(self.budget.limit_nusd)

    def takes(self, amount: int) -> bool:
        return self.cap is None or self.spent + amount <= self.cap

    def spend(self, amount: int, at: datetime) -> None:
        before, self.spent = self.spent, self.spent + amount
        passed = [mark for mark in set(self.budget.soft_marks) if before < self.mark(mark) <= self.spent]
        self.marks += [(mark, self.spent, at) for mark in sorted(passed)]

    def mark(self, percent: int) -> int:
        return max(1, -(-self.budget.limit_nusd * percent // 100))

    @property
    def next_mark(self) -> int | None:
        return min((self.mark(mark) for mark in self.budget.soft_marks if self.mark(mark) > self.spent), default=None)


class Windows:
    """All windows of one tenant."""

    def __init__(self, budgets: Sequence[Budget], *, zone: str) -> None:
        self._budgets, self._zone = budgets, zone
        self._bounds: dict[tuple[str, datetime], tuple[datetime, datetime]] = {}
        self.rows: dict[tuple[UUID, str, datetime], Window] = {}

    def binding(self, *, end_user: UUID, name: str, tier: str, key: UUID, tags: Sequence[str], at: datetime) -> list[Window]:
        """Return the windows that a call is held in. A budget of one end user takes the place of the one that each has."""
        subjects: dict[tuple[str, str], str] = {
            ("tenant", ""): "", ("api_key", str(key)): "", ("tier", tier): str(end_user), ("end_user", name): str(end_user),
            ("end_user", ""): str(end_user), **{("tag", tag): "" for tag in tags},
        }  # fmt: skip
        bound = [budget for budget in self._budgets if (budget.scope, budget.subject) in subjects]
        own = {budget.period for budget in bound if budget.scope == "end_user" and budget.subject}
        bound = [budget for budget in bound if not (budget.scope == "end_user" and not budget.subject and budget.period in own)]
        return [self._window(budget, subjects[budget.scope, budget.subject], at) for budget in bound]

    def _window(self, budget: Budget, subject: str, at: datetime) -> Window:
        hour = (budget.period, at.replace(minute=0, second=0, microsecond=0))
        if hour not in self._bounds:
            self._bounds[hour] = window_bounds(period=Period(budget.period), zone=self._zone, instant=at)
        start_at, end_at = self._bounds[hour]
        key = (budget.pk, subject, start_at)
        if key not in self.rows:
            self.rows[key] = Window(len(self.rows), budget, subject, start_at, end_at)
        return self.rows[key]

    def all_marks(self) -> Iterator[tuple[Window, Any]]:
        for window in self.rows.values():
            for mark in window.marks:
                yield window, mark
