"""The quarters of an hour, summed from what was booked: for what is looked at while the day runs."""

import logging
from datetime import datetime, timedelta

from django.db import connection

from billing.models import QuarterRollup
from tenants.scoping import current_tenant_id, platform_scope, tenant_scope

log = logging.getLogger(__name__)
QUARTER = timedelta(minutes=15)
KEPT = timedelta(days=35)
LOOKED_BACK = 2 * QUARTER
"""An entry may be seen some seconds after the time that it bears; half an hour is summed anew each time."""
FIRST_LOOK = timedelta(days=35)
MENDED = timedelta(days=3)

SUM_QUARTERS = """
INSERT INTO billing_quarterrollup AS q
  (tenant_id, start_at, dimension, value, cost_nusd, runs, calls, judged, rejected, input_tokens, output_tokens)
SELECT e.tenant_id, date_bin('15 minutes', e.booked_at, 'epoch'), v.dimension, v.value, sum(e.amount_nusd), count(DISTINCT e.reservation_id),
       count(*) FILTER (WHERE e.kind IN ('settled', 'estimated', 'assumed')), count(*) FILTER (WHERE e.outcome IN ('accepted', 'rejected')),
       count(*) FILTER (WHERE e.outcome = 'rejected'), sum(e.input_tokens), sum(e.output_tokens)
  FROM billing_costentry e CROSS JOIN LATERAL (
    VALUES ('all', ''), ('end_user', coalesce(e.end_user_id::text, '')), ('tier', e.tier), ('model', e.model), ('domain', e.domain),
           ('api_key', coalesce(e.api_key_id::text, ''))
  ) AS v(dimension, value)
 WHERE e.booked_at >= %s AND e.booked_at < %s AND e.kind <> 'adjustment' AND e.reference = ''
 GROUP BY 1, 2, 3, 4
ON CONFLICT (tenant_id, start_at, dimension, value) DO UPDATE
   SET cost_nusd = excluded.cost_nusd, runs = excluded.runs, calls = excluded.calls, judged = excluded.judged, rejected = excluded.rejected,
       input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens
 WHERE (q.cost_nusd, q.runs, q.calls, q.judged, q.rejected, q.input_tokens, q.output_tokens) IS DISTINCT FROM
       (excluded.cost_nusd, excluded.runs, excluded.calls, excluded.judged, excluded.rejected, excluded.input_tokens, excluded.output_tokens)
"""


def quarter_of(at: datetime) -> datetime:
    """Return the start of the quarter of an hour in which `at` lies, in UTC. Worked number: 14:29:59 lies in that of 14:15."""
    return datetime.fromtimestamp(at.timestamp() // QUARTER.total_seconds() * QUARTER.total_seconds(), tz=at.tzinfo)


def sum_quarters(*, now: datetime) -> int:
    """Sum what was booked since the last look, for all tenants. Returns how many sums are new or changed. Safe to run any time.

    After a pause (no worker for hours) it goes on where it was, back to 35 days.
    """
    with platform_scope(), connection.cursor() as cursor:
        last = QuarterRollup.objects.order_by("-start_at").values_list("start_at", flat=True).first()
        since = max(now - FIRST_LOOK, min(last or now - FIRST_LOOK, now) - LOOKED_BACK)
        cursor.execute(SUM_QUARTERS, [quarter_of(since), now + QUARTER])
        changed: int = cursor.rowcount
    return changed


def sum_quarters_again(*, now: datetime) -> int:
    """Sum all quarters that are kept anew for the scope's tenant: for one whose past came at once. Returns how many are new or changed.

    Those of all tenants are brought up to date first: where the newest sum lies says from where on `sum_quarters` still has to look.
    """
    sum_quarters(now=now)
    with tenant_scope(current_tenant_id()), connection.cursor() as cursor:
        cursor.execute(SUM_QUARTERS, [quarter_of(now - KEPT), now])
        changed: int = cursor.rowcount
    return changed


def mend_quarters(*, now: datetime) -> int:
    """Sum the last three days once more, up to an hour ago, and return how many sums were not what the entries say; those are right now.

    None should be: an entry is summed within minutes. What this finds came late, or was changed by hand.
    """
    until = quarter_of(now - timedelta(hours=1))
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute(SUM_QUARTERS, [until - MENDED, until])
        wrong: int = cursor.rowcount
    if wrong:
        log.warning("%d sums of quarters of an hour were not what the entries say; they were mended", wrong)
    return wrong


def forget_quarters(*, now: datetime) -> int:
    """Delete the sums of quarters that ended more than 35 days ago. Returns how many."""
    with platform_scope():
        deleted, _ = QuarterRollup.objects.filter(start_at__lt=now - KEPT).delete()
    return deleted
