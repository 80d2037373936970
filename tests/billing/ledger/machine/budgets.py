"""Budgets and their windows: whom they bind, what they let pass, and how people change them while calls are under way."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.billing.ledger.machine.stage import NAMES, Stage

Which = tuple[str, str]
STARTING: dict[Which, tuple[int, str, str]] = {
    ("tenant", ""): (1000, "block", "monthly"), ("end_user", ""): (400, "degrade", "total"), ("end_user", "ann"): (600, "block", "total"),
    ("tag", "a"): (300, "warn", "monthly"),
}  # fmt: skip
budgets = st.sampled_from([("tenant", ""), *STARTING])
limits = st.integers(0, 1500)
actions = st.sampled_from(["block", "degrade", "warn"])
WINDOWS = """SELECT budget_id, subject, limit_nusd, cap_nusd, cap_high_nusd, spent_nusd, held_nusd, overrun_nusd FROM billing_budgetwindow
 ORDER BY start_at"""


@dataclass
class Budget:
    scope: str
    limit: int
    action: str
    is_paused: bool = False
    override: int | None = None
    """The limit that takes its place for now."""
    id: UUID = field(default_factory=uuid4)

    @property
    def limit_now(self) -> int:
        return self.limit if self.override is None else self.override

    @property
    def cap(self) -> int | None:
        return None if self.action == "warn" else self.limit_now


@dataclass
class Window:
    limit: int
    cap: int | None
    cap_high: int | None
    spent: int = 0
    held: int = 0
    overrun: int = 0

    @property
    def free(self) -> int | None:
        return None if self.cap is None else self.cap - self.spent - self.held

    @property
    def room(self) -> int | None:
        return None if self.cap_high is None else self.cap_high - self.spent - self.held

    def follow(self, budget: Budget) -> None:
        """A changed limit holds from the next call on; the highest one stays remembered."""
        if (self.limit, self.cap is None) == (budget.limit_now, budget.cap is None):
            return
        self.limit, self.cap = budget.limit_now, budget.cap
        self.cap_high = None if self.cap is None else max(self.cap_high or 0, self.cap, self.spent + self.held)


class BudgetRules(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.budgets = {which: Budget(which[0], limit, action) for which, (limit, action, _) in STARTING.items()}
        self.windows: dict[tuple[UUID, str], list[Window]] = {}
        """By budget and subject, the newest last."""
        self.ended: set[tuple[UUID, str]] = set()
        """Those whose newest window is over."""
        for which, budget in self.budgets.items():
            self.insert(which, budget)
        self.looks.append((WINDOWS, self.windows_are_as_the_model_says))

    def insert(self, which: Which, budget: Budget) -> None:
        self.owner.execute(
            "INSERT INTO billing_budget (id, tenant_id, name, scope, subject, period, limit_nusd, action, soft_marks, is_paused, created_at)"
            " VALUES (%s, %s, '', %s, %s, %s, %s, %s, '{}', false, now())",
            [budget.id, self.tenant, *which, STARTING[which][2], budget.limit, budget.action],
        )

    def binding(self, name: str, *, tagged: bool) -> list[Budget]:
        """The budgets that bind a call. One's own takes the place of everybody's, as long as it is not paused."""
        own = self.budgets.get(("end_user", name)) if name else None
        of_user = [own if own and not own.is_paused else self.budgets["end_user", ""]] if name else []
        found = [self.budgets["tenant", ""], *of_user, *([self.budgets["tag", "a"]] if tagged else [])]
        return [budget for budget in found if not budget.is_paused]

    def bound_by(self, name: str, *, tagged: bool) -> list[tuple[Window, str]]:
        """The windows of a call with the actions of their budgets, opened and brought up to date as an admission does."""
        found = []
        for budget in self.binding(name, tagged=tagged):
            key = budget.id, str(NAMES[name]) if budget.scope == "end_user" else ""
            windows = self.windows.setdefault(key, [])
            if not windows or key in self.ended:
                self.ended.discard(key)
                before = 0 if windows else self.spent_by(budget.scope, name)
                windows.append(Window(budget.limit_now, budget.cap, None if budget.cap is None else max(budget.cap, before), before))
            windows[-1].follow(budget)
            found.append((windows[-1], budget.action))
        return found

    def spent_by(self, scope: str, name: str) -> int:
        """What calls of the budget's subject have come to, overruns too: what its first window begins with. The rules of holds say it."""
        raise NotImplementedError  # Hypothesis has a metaclass of its own, so this cannot be an abstract method

    @rule(which=budgets, change=st.sampled_from(["limit", "limit", "action", "pause", "override", "override ends"]), limit=limits,
          action=actions)  # fmt: skip
    def change_budget(self, which: Which, change: str, limit: int, action: str) -> None:
        budget, now = self.budgets[which], "clock_timestamp()"
        if change == "limit":
            budget.limit = limit
            self.set(budget, f"limit_nusd = {limit}")
        elif change == "action":
            budget.action = action
            self.set(budget, f"action = '{action}'")
        elif change == "pause":
            budget.is_paused = not budget.is_paused
            self.set(budget, f"is_paused = {budget.is_paused}")
        elif change == "override":
            budget.override = limit
            self.set(budget, f"override_limit_nusd = {limit}, override_until = {now} + interval '1 hour'")
        else:
            budget.override = None
            self.set(budget, f"override_limit_nusd = {limit}, override_until = {now}")

    @rule(which=budgets, limit=limits, action=actions)
    def set_anew(self, which: Which, limit: int, action: str) -> None:
        """A budget is deleted, and another one set in its place: it begins with what was spent before."""
        self.set(self.budgets[which], "ended_at = clock_timestamp()")
        self.budgets[which] = Budget(which[0], limit, action)
        self.insert(which, self.budgets[which])

    @rule(which=budgets)
    def a_period_ends(self, which: Which) -> None:
        identity = self.budgets[which].id
        self.owner.execute(
            "UPDATE billing_budgetwindow SET end_at = clock_timestamp() WHERE budget_id = %s AND end_at > clock_timestamp()", [identity]
        )
        self.ended |= {key for key in self.windows if key[0] == identity}

    def set(self, budget: Budget, changes: str) -> None:
        self.owner.execute(f"UPDATE billing_budget SET {changes} WHERE id = %s", [budget.id])

    def windows_are_as_the_model_says(self, rows: list[Any]) -> None:
        found: dict[tuple[UUID, str], list[Window]] = {}
        for budget, subject, *sums in rows:
            found.setdefault((budget, subject), []).append(Window(*sums))
        assert found == self.windows
        for windows in found.values():
            assert all(window.room is None or window.room >= 0 for window in windows)
