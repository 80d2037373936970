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
    said = form.cleaned_data
    scope, subject, period = (budget.scope, budget.subject, budget.period) if budget else (said["scope"], form.subject, said["period"])
    asked: dict[str, Any] = {
        "scope": scope, "subject": subject, "period": period, "limit_nusd": said["limit"], "tenant": tenant,
        "today": reports.today_of(time_zone=tenant.time_zone, now=now),
    }  # fmt: skip
    return {
        "replay": reports.replay(**asked), "runs": reports.replay_runs(**asked), "scope": scope, "period": period, "zone": tenant.time_zone,
        "action": said["action"] if "action" in said or budget is None else budget.action,
        "bound": reports.bound_end_users(scope=scope, subject=subject, tenant=tenant),
    }  # fmt: skip
