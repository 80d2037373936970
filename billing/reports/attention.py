"""What needs somebody's attention: models without a price, models that were set aside, and budgets that will not last."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from msgspec import Struct

from billing.engine.alerts.events import AlertKind, BudgetEvent
from billing.models import Alert
from tenants.scoping import current_tenant_id

LOOKED_BACK = timedelta(days=7)
MOST, MOST_FORESEEN = 10, 200
FORESEEING = (AlertKind.FORECAST_OVER_BUDGET, AlertKind.BUDGET_EXHAUSTION)
"""The one said of fewer budgets, and more precise, comes last."""


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


def foreseeing(*, now: datetime) -> QuerySet[Any]:
    """Return the open alerts that say that a budget's running window will go over its limit, or run out soon, with the limit that it had then as
    `foreseen_limit`. Windows of single end users are left out."""
    rows = Alert.objects.filter(kind__in=FORESEEING, ends_at__gt=now, budget__isnull=False, end_user_id=None).exclude(state=Alert.State.RESOLVED)
    return rows.annotate(foreseen_limit=Cast(KeyTextTransform("limit_nusd", "facts"), BigIntegerField()))


def foreseen_budgets(*, now: datetime) -> Mapping[UUID, BudgetEvent]:
    """Return the budgets that an open alert is foreseeing about: what it said, and where both were said, when it runs out. Each hour is looked
    ahead (billing/foresight.py)."""
    ordered = sorted(foreseeing(now=now).order_by("raised_at")[:MOST_FORESEEN], key=lambda row: FORESEEING.index(AlertKind(row.kind)))
    return {row.budget_id: event for row in ordered if row.budget_id and isinstance(event := row.event, BudgetEvent)}
