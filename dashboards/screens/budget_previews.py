"""What a budget's form says before it is saved: what is different then, whom it would have hit, and how many runs it had no room for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing import reports
from billing.models import Budget
from dashboards.forms.budgets import BudgetForm
from tenants.models import Tenant


def preview_of(form: BudgetForm, *, budget: Budget | None, tenant: Tenant, now: datetime) -> Mapping[str, Any]:
    """Return what console/budgets/preview.html shows of a form's data, which is valid. Nothing is saved."""
    asked = _asked(form, budget, tenant=tenant, now=now)
    return {
        "replay": reports.replay(**asked), "scope": asked["scope"], "period": asked["period"], "zone": tenant.time_zone,
        "action": _action(form, budget), "bound": reports.bound_end_users(scope=asked["scope"], subject=asked["subject"], tenant=tenant),
    }  # fmt: skip


def runs_of(form: BudgetForm, *, budget: Budget | None, tenant: Tenant, now: datetime) -> Mapping[str, Any]:
    """Return what console/budgets/runs.html shows of a form's data, which is valid: it reads the calls of a week, so it comes after the rest."""
    return {"runs": reports.replay_runs(**_asked(form, budget, tenant=tenant, now=now)), "action": _action(form, budget)}


def _asked(form: BudgetForm, budget: Budget | None, *, tenant: Tenant, now: datetime) -> dict[str, Any]:
    said = form.cleaned_data
    scope, subject, period = (budget.scope, budget.subject, budget.period) if budget else (said["scope"], form.subject, said["period"])
    return {
        "scope": scope, "subject": subject, "period": period, "limit_nusd": said["limit"], "tenant": tenant,
        "today": reports.today_of(time_zone=tenant.time_zone, now=now),
    }  # fmt: skip


def _action(form: BudgetForm, budget: Budget | None) -> str:
    said = form.cleaned_data
    action: str = said["action"] if "action" in said or budget is None else budget.action
    return action
