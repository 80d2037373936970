"""What needs somebody's attention, beside budgets: models without a price, and models that were set aside."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection
from msgspec import Struct

from tenants.scoping import current_tenant_id

LOOKED_BACK = timedelta(days=7)
MOST = 10


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
