"""What needs somebody's attention: models without a price, models that were set aside, and budgets that will not last."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from msgspec import Struct

from billing.engine.alerts.events import AlertKind, BudgetEvent
from billing.models import Alert
from tenants.scoping import current_tenant_id

LOOKED_BACK = timedelta(days=7)
MOST, MOST_FORESEEN = 10, 200


class ModelTrouble(Struct, frozen=True, kw_only=True):
    """A model that somebody should look at. `kind` is "unpriced", whose `calls` were booked at 0, or "set aside", which no budget that
    degrades or blocks bears until it is cleared."""

    kind: str
    model: str
    calls: int
    reason: str


def troubled_models(*, now: datetime) -> Sequence[ModelTrouble]:
    """Return the models that answered in the last seven days without a price, most calls first, and those that are set aside now."""
    query = """
        (SELECT 'unpriced', e.model, count(*), '' FROM billing_costentry e
          WHERE e.tenant_id = %(tenant)s AND e.booked_at >= %(since)s AND e.price_version = '' AND e.kind IN ('settled', 'estimated')
          GROUP BY e.model ORDER BY 3 DESC, 2 LIMIT %(most)s)
        UNION ALL
        (SELECT 'set aside', q.provider || '/' || q.model, 0, q.reason FROM billing_quarantinedmodel q
          WHERE q.tenant_id = %(tenant)s AND q.cleared_at IS NULL ORDER BY q.since DESC LIMIT %(most)s)"""
    with connection.cursor() as cursor:
        cursor.execute(query, {"tenant": current_tenant_id(), "since": now - LOOKED_BACK, "most": MOST})
        return [ModelTrouble(kind=kind, model=model, calls=calls, reason=reason) for kind, model, calls, reason in cursor.fetchall()]


def foreseen_budgets(*, now: datetime) -> Mapping[UUID, BudgetEvent]:
    """Return the budgets of which an open alert says that their running window will go over its limit, or run out soon: what it said, and
    where both were said, when it runs out. Windows of single end users are left out. Each hour is looked ahead (billing/foresight.py)."""
    kinds = (AlertKind.FORECAST_OVER_BUDGET, AlertKind.BUDGET_EXHAUSTION)  # the one said of fewer budgets, and more precise, comes last
    rows = Alert.objects.filter(kind__in=kinds, ends_at__gt=now, budget__isnull=False, end_user_id=None).exclude(state=Alert.State.RESOLVED)
    ordered = sorted(rows.order_by("raised_at")[:MOST_FORESEEN], key=lambda row: kinds.index(AlertKind(row.kind)))
    return {row.budget_id: event for row in ordered if row.budget_id and isinstance(event := row.event, BudgetEvent)}
