"""What each role may do in a tenant's console: one table, read by menus, pages and actions alike. Deny by default."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from tenants.models import Role


class Permission(StrEnum):
    SEE_COSTS = "see_costs"
    SEE_OWN_COSTS = "see_own_costs"
    """Of the keys that the person made: `ApiKey.created_by`."""
    SEE_ANOMALIES = "see_anomalies"
    COMMENT_ANOMALIES = "comment_anomalies"
    RESOLVE_ANOMALIES = "resolve_anomalies"
    SEE_RUNS = "see_runs"
    SEE_OWN_RUNS = "see_own_runs"
    SEE_RUNS_MONEY = "see_runs_money"
    """What runs cost, without their steps and text."""
    SEE_PROMPT_TEXT = "see_prompt_text"
    """Where the tenant keeps it at all."""
    SEE_REPORTS = "see_reports"
    EXPORT = "export"
    SCHEDULE_REPORTS = "schedule_reports"
    CLOSE_BOOKS = "close_books"
    """Close months, and post the corrections of providers' bills. Opening a closed month again is the owners' alone."""
    SEE_BUDGETS = "see_budgets"
    EDIT_BUDGET_LIMITS = "edit_budget_limits"
    EDIT_BUDGETS = "edit_budgets"
    SEE_POLICIES = "see_policies"
    """Tiers, presets and domain rules."""
    DRAFT_PRESETS = "draft_presets"
    PUBLISH_PRESETS = "publish_presets"
    EDIT_TIERS = "edit_tiers"
    EDIT_END_USERS = "edit_end_users"
    """Give end users a tier, and block them."""
    ERASE_END_USERS = "erase_end_users"
    """Take away what is stored about one, kept replies included, and erase who they are."""
    EDIT_RULES = "edit_rules"
    USE_PLAYGROUND = "use_playground"
    MANAGE_OWN_KEYS = "manage_own_keys"
    MANAGE_KEYS = "manage_keys"
    EDIT_PROVIDERS = "edit_providers"
    SEE_PRICES = "see_prices"
    EDIT_PRICES = "edit_prices"
    MANAGE_ALERTS = "manage_alerts"
    SEE_AUDIT = "see_audit"
    EDIT_SETTINGS = "edit_settings"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_DEMO = "manage_demo"
    """Have a demo made, look how far it is, and delete it."""


P = Permission
_LOOK = frozenset({P.SEE_ANOMALIES, P.SEE_BUDGETS, P.SEE_POLICIES, P.SEE_PRICES})
_MONEY = frozenset({P.SEE_COSTS, P.SEE_RUNS_MONEY, P.SEE_REPORTS})
_OPERATE = frozenset(
    {
        P.COMMENT_ANOMALIES, P.RESOLVE_ANOMALIES, P.SEE_RUNS, P.EDIT_BUDGET_LIMITS, P.EDIT_BUDGETS, P.DRAFT_PRESETS, P.PUBLISH_PRESETS,
        P.EDIT_TIERS, P.EDIT_END_USERS, P.EDIT_RULES, P.USE_PLAYGROUND, P.MANAGE_OWN_KEYS, P.MANAGE_KEYS, P.EDIT_PROVIDERS, P.MANAGE_ALERTS,
    }
)  # fmt: skip
_OPERATOR = _LOOK | _MONEY | _OPERATE | {P.SEE_PROMPT_TEXT, P.EXPORT, P.SCHEDULE_REPORTS, P.ERASE_END_USERS}
_FINANCE = {P.COMMENT_ANOMALIES, P.EXPORT, P.SCHEDULE_REPORTS, P.CLOSE_BOOKS, P.EDIT_BUDGET_LIMITS, P.EDIT_PRICES, P.SEE_AUDIT}

ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.OPERATOR: _OPERATOR,
    Role.FINANCE: _LOOK | _MONEY | _FINANCE,
    Role.DEVELOPER: _LOOK | {P.SEE_OWN_COSTS, P.SEE_OWN_RUNS, P.DRAFT_PRESETS, P.USE_PLAYGROUND, P.MANAGE_OWN_KEYS},
    Role.VIEWER: _LOOK | _MONEY,
}
STAFF: frozenset[Permission] = _LOOK | _MONEY | _OPERATE | {P.SEE_AUDIT}
"""Our own staff in a tenant's console: they help to operate it. They read no prompts, take no files away and let nobody in."""


def may(role: str, permission: Permission) -> bool:
    """A role that is none may do nothing."""
    return permission in ROLES.get(role, frozenset())  # type: ignore[call-overload]


def roles_with(permission: Permission) -> Iterable[Role]:
    """Return who may: for "You need the Operator role"."""
    return [role for role in Role if permission in ROLES[role]]
