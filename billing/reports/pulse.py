"""What every page says first: how fresh its numbers are, and whether something is wrong with them or with a budget."""

from datetime import datetime, timedelta

from django.db import connection
from msgspec import Struct

from tenants.scoping import current_tenant_id

OVERDUE_AFTER = timedelta(seconds=60)
"""A hold that is open so long after its deadline should have been booked by the sweep."""
LATE_AFTER, STUCK_AFTER = timedelta(minutes=5), timedelta(minutes=30)
ANOMALIES_SINCE = timedelta(days=90)


class Pulse(Struct, frozen=True, kw_only=True):
    """When something was last booked, how many calls should be booked by now and are not, how many budgets are used up, and how many anomalies
    of the last 90 days are open and were told.

    The sums of a day are raised in the transaction that books a call, so the numbers lag behind only where calls are not booked.
    """

    booked_at: datetime | None
    overdue: int
    overdue_since: datetime | None
    budgets_over: int
    anomalies_open: int
    read_at: datetime

    @property
    def age(self) -> timedelta | None:
        return max(self.read_at - self.booked_at, timedelta(0)) if self.booked_at else None

    @property
    def behind(self) -> timedelta | None:
        """How long the call that waits longest should have been booked; None where none waits."""
        return self.read_at - self.overdue_since if self.overdue_since else None

    @property
    def is_late(self) -> bool:
        return self.behind is not None and self.behind >= LATE_AFTER

    @property
    def is_stuck(self) -> bool:
        return self.behind is not None and self.behind >= STUCK_AFTER


def pulse(*, now: datetime) -> Pulse:
    """Return the tenant's state at `now`. Worked number: booked at 14:00:00, looked at 14:00:40: an age of 40 s."""
    query = """
        SELECT (SELECT e.booked_at FROM billing_costentry e WHERE e.tenant_id = %(tenant)s ORDER BY e.booked_at DESC LIMIT 1),
               (SELECT count(*) FROM billing_reservation r WHERE r.tenant_id = %(tenant)s AND r.state = 'open' AND r.expires_at < %(before)s),
               (SELECT min(r.expires_at) FROM billing_reservation r
                 WHERE r.tenant_id = %(tenant)s AND r.state = 'open' AND r.expires_at < %(before)s),
               (SELECT count(DISTINCT w.budget_id) FROM billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id
                 WHERE w.tenant_id = %(tenant)s AND b.tenant_id = %(tenant)s AND b.ended_at IS NULL AND NOT b.is_paused
                   AND w.start_at <= %(now)s AND w.end_at > %(now)s AND w.spent_nusd + w.held_nusd >= w.limit_nusd),
               (SELECT count(*) FROM billing_anomaly a WHERE a.tenant_id = %(tenant)s AND a.started_at >= %(since)s AND a.told_at IS NOT NULL
                   AND (a.state = 'open' OR a.state = 'snoozed' AND a.snoozed_until <= %(now)s))"""
    with connection.cursor() as cursor:
        cursor.execute(query, {"tenant": current_tenant_id(), "before": now - OVERDUE_AFTER, "now": now, "since": now - ANOMALIES_SINCE})
        booked_at, overdue, overdue_since, budgets_over, anomalies_open = cursor.fetchone()
    return Pulse(
        booked_at=booked_at, overdue=overdue, overdue_since=overdue_since, budgets_over=budgets_over, anomalies_open=anomalies_open, read_at=now
    )  # fmt: skip
