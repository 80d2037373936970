"""Every number that a person sees: the one reader of money. All functions answer for the tenant of the scope, amounts in nano-USD."""

from billing.reports.anomalies import WORTH_TELLING, anomalies_by_impact, anomalies_by_state
from billing.reports.attention import ModelTrouble, foreseen_budgets, troubled_models
from billing.reports.burn import Burn, burn_of, spenders_of
from billing.reports.days import instants_of_day
from billing.reports.end_users import Recent, recent_of
from billing.reports.hours import spend_by_quarters, spend_in_quarters
from billing.reports.names import names_like, names_of
from billing.reports.patience import LONGEST_PIVOT_DAYS, PATIENCE_MS, TooMuchToRead, read_patiently
from billing.reports.pivot import PIVOT_DIMENSIONS, Filter, pivot
from billing.reports.providers import ProviderCalls, calls_of_provider, failing_providers
from billing.reports.pulse import Pulse, pulse
from billing.reports.replay import Replay, RunsReplay, bound_end_users, replay, replay_runs
from billing.reports.series import OTHER, Line, Series, Standing, days_between, series_by, standings_by, standings_of
from billing.reports.spend import Dimension, Spend, spend_between, spend_by, spend_by_day, spend_of_end_user, spent_days, today_of
from billing.reports.standing import (
    BudgetStanding,
    HeldPath,
    LedgerSpend,
    TouchedBudget,
    budget_standings,
    budgets_by_risk,
    open_holds,
    open_holds_by_tenant,
    path_held_for,
    touched_by,
    with_standing,
)

__all__ = [
    "LONGEST_PIVOT_DAYS", "OTHER", "PATIENCE_MS", "PIVOT_DIMENSIONS", "WORTH_TELLING", "BudgetStanding", "Burn", "Dimension", "Filter", "HeldPath",
    "LedgerSpend", "Line",
    "ModelTrouble", "ProviderCalls", "Pulse", "Recent", "Replay", "RunsReplay", "Series", "Spend", "Standing", "TooMuchToRead", "TouchedBudget",
    "anomalies_by_impact", "anomalies_by_state", "bound_end_users", "budget_standings", "budgets_by_risk", "burn_of", "calls_of_provider",
    "days_between", "failing_providers",
    "foreseen_budgets", "instants_of_day", "names_like", "names_of", "open_holds", "open_holds_by_tenant",
    "path_held_for", "pivot", "pulse", "read_patiently", "recent_of", "replay", "replay_runs",
    "series_by",
    "spend_between", "spend_by", "spend_by_day", "spend_by_quarters", "spend_in_quarters", "spend_of_end_user", "spenders_of",
    "spent_days", "standings_by",
    "standings_of", "today_of", "touched_by", "troubled_models", "with_standing",
]  # fmt: skip
