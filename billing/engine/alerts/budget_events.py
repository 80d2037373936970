"""Alerts about budgets: a mark was passed, the limit will be, the money runs out."""

from datetime import datetime
from uuid import UUID

from billing.engine.alerts.kinds import AlertEvent, Severity
from billing.engine.budgets import Action


class BudgetEvent(AlertEvent, frozen=True, kw_only=True):
    """About one window of a budget: `end_user` (our id) where the window is one person's."""

    budget: UUID
    scope: str
    period: str
    action: str
    start_at: datetime
    end_at: datetime
    limit_nusd: int
    spent_nusd: int
    end_user: UUID | None = None
    of_each: bool = False
    """Has each end user a window of this budget? That one of them comes to an end is daily business, not a fault."""

    @property
    def subject(self) -> str:
        return f"{self.budget}:{self.end_user or ''}"

    @property
    def window(self) -> str:
        return self.start_at.isoformat()

    @property
    def money_nusd(self) -> int | None:
        return self.spent_nusd

    @property
    def ends_at(self) -> datetime | None:
        return self.end_at

    def _unless_of_each(self, severity: Severity) -> Severity:
        return Severity.INFO if self.of_each else severity


class BudgetMarkPassed(BudgetEvent, frozen=True, kw_only=True, tag="budget_mark"):
    """A soft mark was passed. Worked example: 100 % of a budget that blocks is critical; 80 % is a warning, 50 % information."""

    percent: int

    @property
    def subject(self) -> str:
        return f"{self.budget}:{self.end_user or ''}:{self.percent}"

    @property
    def severity(self) -> Severity:
        if self.percent < 80:
            return Severity.INFO
        stops = self.percent >= 100 and self.action != Action.WARN
        return self._unless_of_each(Severity.CRITICAL if stops else Severity.WARNING)


class ForecastOverBudget(BudgetEvent, frozen=True, kw_only=True, tag="forecast_over_budget"):
    """The window will likely end over the limit: expected sum at its end, and the band that holds it with 80 %."""

    expected_nusd: int
    low_nusd: int
    high_nusd: int

    @property
    def severity(self) -> Severity:
        return self._unless_of_each(Severity.WARNING)

    @property
    def money_nusd(self) -> int | None:
        return max(0, self.expected_nusd - self.limit_nusd)


class BudgetNearlyExhausted(BudgetEvent, frozen=True, kw_only=True, tag="budget_exhaustion"):
    """The limit will be reached before the window ends: when, and the band that holds it with 80 % (None: maybe not at all)."""

    runs_out_at: datetime
    earliest_at: datetime | None = None
    latest_at: datetime | None = None

    @property
    def severity(self) -> Severity:
        return self._unless_of_each(Severity.WARNING if self.action == Action.WARN else Severity.CRITICAL)
