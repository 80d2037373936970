"""Changes of budgets, prices and anomalies that need more than one statement. Call them inside a tenant's scope; edges pass `now`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from billing.engine.budgets import BudgetScope
from billing.models import Anomaly, Budget, BudgetWindow, CostEntry, ModelPrice, QuarantinedModel
from billing.pricebook import insert_version
from tenants.errors import Conflict
from tenants.models import ApiKey, Tenant, Tier
from tenants.scoping import current_tenant_id

SUBJECT_MAX = 255


def checked_subject(*, scope: str, subject: str) -> str:
    """Return whom a budget of this scope limits, as it is stored. Raises ValidationError for a subject that does not fit."""
    wrong = _OBJECTIONS[BudgetScope(scope)](subject)
    if len(subject) > SUBJECT_MAX:
        wrong = f"A subject has at most {SUBJECT_MAX} characters."
    if wrong:
        raise ValidationError({"subject": wrong})
    return str(UUID(subject)) if scope == BudgetScope.API_KEY else subject


def _of_tenant(subject: str) -> str | None:
    return "A budget of the whole tenant has no subject: leave it out." if subject else None


def _of_tier(subject: str) -> str | None:
    if Tier.objects.filter(name=subject).exists():
        return None
    return "There is no tier of this name. Name one that GET /api/v1/tiers/ lists." if subject else "Name the tier that the budget limits."


def _of_api_key(subject: str) -> str | None:
    try:
        known = ApiKey.objects.filter(pk=UUID(subject)).exists()
    except ValueError:
        known = False
    return None if known else "There is no API key of yours with this id. Send the 'id' of one that GET /api/v1/api-keys/ lists."


def _of_tag(subject: str) -> str | None:
    return None if subject.strip() else "Name the tag that the budget limits."


_OBJECTIONS = {
    BudgetScope.TENANT: _of_tenant,
    BudgetScope.TIER: _of_tier,
    BudgetScope.END_USER: lambda subject: None,  # empty: each end user; a name may come before its first call
    BudgetScope.API_KEY: _of_api_key,
    BudgetScope.TAG: _of_tag,
}


def change_budget(*, budget: Budget, changes: dict[str, Any]) -> Budget:
    """Change a running budget. Raises Conflict for one that was deleted."""
    if budget.ended_at:
        raise Conflict("This budget was deleted: it is kept as history. Create a new one instead.", code="budget_ended")
    for name, value in changes.items():
        setattr(budget, name, value)
    budget.save(update_fields=list(changes))
    return budget


def end_budget(*, budget: Budget, now: datetime) -> Budget:
    """Let the budget limit nothing from `now` on. Its windows stay, as history."""
    if budget.ended_at is None:
        budget.ended_at, budget.is_paused = now, True
        budget.save(update_fields=["ended_at", "is_paused"])
    return budget


def clear_quarantine(row: QuarantinedModel, *, actor: str, now: datetime) -> QuarantinedModel:
    """Let budgets bear a model again that billed beyond its bound. Raises Conflict where somebody has cleared it already."""
    if not QuarantinedModel.objects.filter(pk=row.pk, cleared_at=None).update(cleared_at=now, cleared_by=actor):
        raise Conflict("This model was cleared already.", code="already_cleared")
    row.refresh_from_db()
    return row


def add_price(*, price: ModelPrice) -> ModelPrice:
    """Put a version into the tenant's price book, from a start in the past or the future on; see insert_version.

    What was booked keeps its amounts until it is re-priced (billing/repricing.py).
    """
    # One price at a time: two that find no version before them would both stay open. This lock lets calls book on.
    Tenant.objects.select_for_update(no_key=True).get(pk=current_tenant_id())
    return insert_version(price, beside=ModelPrice.objects.filter(model=price.model))


def snooze_anomaly(*, anomaly: Anomaly, until: datetime, note: str) -> Anomaly:
    """Let the series of an anomaly be told no more until then; it goes on being looked at."""
    return _seen_to(anomaly, state=Anomaly.State.SNOOZED, snoozed_until=until, **_said(note))


def resolve_anomaly(*, anomaly: Anomaly, resolution: str, note: str, actor: str, now: datetime) -> Anomaly:
    """Say what an anomaly was. `expected` is ordinary from now on, `fixed` is no measure for others, and three `not_useful` make the series
    less sensitive."""
    return _seen_to(
        anomaly, state=Anomaly.State.RESOLVED, resolution=resolution, resolved_by=actor, resolved_at=now, snoozed_until=None, **_said(note)
    )


def reopen_anomaly(*, anomaly: Anomaly) -> Anomaly:
    """Take back that an anomaly was snoozed or resolved, and what that had effect on."""
    return _seen_to(anomaly, state=Anomaly.State.OPEN, resolution="", resolved_by="", resolved_at=None, snoozed_until=None)


def note_anomaly(*, anomaly: Anomaly, note: str) -> Anomaly:
    """Write down what is known of an anomaly, and decide nothing. There is one note: the audit log has who wrote what before."""
    return _seen_to(anomaly, note=note)


def _said(note: str) -> dict[str, str]:
    """Who says nothing leaves the note as it is."""
    return {"note": note} if note else {}


def _seen_to(anomaly: Anomaly, **changes: Any) -> Anomaly:
    row = Anomaly.objects.select_for_update().get(pk=anomaly.pk)
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))
    return row


def create_budget(*, budget: Budget) -> Budget:
    """Set a budget, and return it. Raises ValidationError for a subject that does not fit, Conflict where there is one like it."""
    budget.subject = checked_subject(scope=budget.scope, subject=budget.subject)
    refuse_twin(budget)
    budget.save(force_insert=True)
    return budget


def refuse_twin(budget: Budget) -> None:
    """Raises Conflict where another budget in force limits the same subject in the same period with the same action."""
    same = Budget.objects.filter(
        scope=budget.scope, subject=budget.subject, period=budget.period, action=budget.action, ended_at=None
    ).exclude(pk=budget.pk)  # fmt: skip
    if same.exists():
        raise Conflict("There is a budget for the same subject and period that does the same: change that one.", code="budget_exists")


def has_days(*, tenant: Tenant) -> bool:
    """Is anything booked or held for the tenant, so that days were cut in its time zone?"""
    return CostEntry.objects.filter(tenant=tenant).exists() or BudgetWindow.objects.filter(tenant=tenant).exists()


def change_time_zone(*, tenant: Tenant, zone: str) -> Tenant:
    """Let the tenant's days begin at midnight of another zone. Raises ValidationError for what is none, and Conflict once there are days.

    An entry keeps the day that it was booked on, as do day sums, windows of budgets and closed months. In another zone the days of then would
    overlap those from now on, or leave hours out, and no sum over both would be right.
    """
    if zone == tenant.time_zone:
        return tenant
    if has_days(tenant=tenant):
        raise Conflict(
            f"Days were booked in {tenant.time_zone} already. They would overlap days of {zone}, or leave hours out, so the zone stays.",
            code="days_are_booked",
        )
    tenant.time_zone = zone
    tenant.clean_fields(exclude=[field.name for field in Tenant._meta.fields if field.name != "time_zone"])
    tenant.save(update_fields=["time_zone"])
    return tenant
