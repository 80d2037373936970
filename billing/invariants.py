"""What must hold in the ledger at every moment, as queries that return the rows that break it.

Numbers as in docs/algorithms/budgets.md. A healthy ledger returns no row for any of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection
from msgspec import Struct

from billing.signals import ledger_checked
from tenants.scoping import platform_scope

STUCK_AFTER = timedelta(seconds=60)
SHOWN = 20


class Invariant(Struct, frozen=True):
    name: str
    meaning: str
    query: str
    """Its first column is the tenant's id."""
    is_quick: bool = False
    """Does it look at windows and open holds alone, of which there are few? Then it is asked every minute."""


class Break(Struct, frozen=True):
    invariant: Invariant
    tenant_id: UUID
    row: tuple[object, ...]


INVARIANTS = (
    Invariant("I1", "a window's spent is the sum of its entries", """
        SELECT w.tenant_id, w.id, w.spent_nusd, w.opening_nusd + coalesce(s.spent, 0), w.overrun_nusd, coalesce(s.overrun, 0)
          FROM billing_budgetwindow w
          LEFT JOIN (SELECT x.window_id, sum(e.amount_nusd) FILTER (WHERE e.kind <> 'overrun') AS spent,
                            sum(e.amount_nusd) FILTER (WHERE e.kind = 'overrun') AS overrun
                       FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
                       JOIN billing_costentry e ON e.reservation_id = r.id GROUP BY x.window_id) s ON s.window_id = w.id
         WHERE w.spent_nusd <> w.opening_nusd + coalesce(s.spent, 0) OR w.overrun_nusd <> coalesce(s.overrun, 0)"""),
    Invariant("I2", "a window's held is the sum of its open holds", """
        SELECT coalesce(w.tenant_id, s.tenant_id) AS tenant_id, coalesce(w.id, s.window_id), w.held_nusd, s.held FROM billing_budgetwindow w
          FULL JOIN (SELECT x.window_id, sum(r.amount_nusd) AS held, (array_agg(r.tenant_id))[1] AS tenant_id
                       FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
                      WHERE r.state = 'open' GROUP BY x.window_id) s ON s.window_id = w.id
         WHERE coalesce(w.held_nusd, 0) <> coalesce(s.held, 0)""", is_quick=True),
    Invariant("I3", "no window is over its cap", """
        SELECT tenant_id, id, spent_nusd, held_nusd, cap_high_nusd FROM billing_budgetwindow
         WHERE spent_nusd + held_nusd > cap_high_nusd""", is_quick=True),
    Invariant("I4", "a closed hold has entries that add up to it, one an attempt; an open one has none, and no entry is without a hold", """
        SELECT coalesce(r.tenant_id, s.tenant_id) AS tenant_id, coalesce(r.id, s.reservation_id), r.state, r.actual_nusd, s.entries, s.amount
          FROM billing_reservation r
          FULL JOIN (SELECT reservation_id, (array_agg(tenant_id))[1] AS tenant_id,
                            sum(amount_nusd) FILTER (WHERE kind NOT IN ('overrun', 'adjustment')) AS amount,
                            count(*) FILTER (WHERE kind NOT IN ('overrun', 'adjustment')) AS entries,
                            count(DISTINCT (leg, attempt)) FILTER (WHERE kind NOT IN ('overrun', 'adjustment')) AS attempts
                       FROM billing_costentry GROUP BY 1) s ON s.reservation_id = r.id
         WHERE r.id IS NULL OR (r.state = 'open') <> (coalesce(s.entries, 0) = 0) OR s.entries <> s.attempts
            OR (r.state <> 'open' AND r.actual_nusd IS DISTINCT FROM s.amount)"""),
    Invariant("I5", "nothing is settled above its hold", """
        SELECT tenant_id, id, amount_nusd, actual_nusd FROM billing_reservation WHERE actual_nusd > amount_nusd"""),
    Invariant("I6", "a hold is held in windows that exist, once in each", """
        SELECT r.tenant_id, r.id, x.window_id, count(*) FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
          LEFT JOIN billing_budgetwindow w ON w.id = x.window_id GROUP BY 1, 2, 3 HAVING count(*) > 1 OR count(w.id) = 0"""),
    Invariant("I7", "the day sums are the sums of the entries, in every dimension", """
        SELECT coalesce(e.tenant_id, d.tenant_id) AS tenant_id, coalesce(e.day, d.day), coalesce(e.dimension, d.dimension), e.cost, d.cost
          FROM (SELECT * FROM (SELECT tenant_id, occurred_on AS day, sum(amount_nusd) AS cost, count(*) AS entries
                                 FROM billing_costentry GROUP BY 1, 2) b
                 CROSS JOIN unnest('{all,end_user,tier,model,provider,domain,api_key,preset,step}'::text[]) AS v(dimension)) e
          FULL JOIN (SELECT tenant_id, day, dimension, sum(cost_nusd) AS cost, sum(entries) AS entries FROM billing_dayrollup
                      WHERE dimension <> 'tag' GROUP BY 1, 2, 3) d ON d.tenant_id = e.tenant_id AND d.day = e.day AND d.dimension = e.dimension
         WHERE e.cost IS DISTINCT FROM d.cost OR e.entries IS DISTINCT FROM d.entries"""),
    Invariant("I8", "no hold is open long after its deadline", f"""
        SELECT tenant_id, id, owner, expires_at FROM billing_reservation
         WHERE state = 'open' AND expires_at < clock_timestamp() - interval '{STUCK_AFTER.total_seconds():.0f} seconds'""", is_quick=True),  # noqa: S608
    Invariant("I9", "windows of a budget do not overlap", """
        SELECT tenant_id, budget_id, subject, end_at, next_at
          FROM (SELECT tenant_id, budget_id, subject, end_at, lead(start_at) OVER (PARTITION BY budget_id, subject ORDER BY start_at) AS next_at
                  FROM billing_budgetwindow) w WHERE next_at < end_at""", is_quick=True),
    Invariant("I10", "an adjustment says who and why, and so does an overrun that is taken back", """
        SELECT tenant_id, id FROM billing_costentry WHERE (kind = 'adjustment' OR amount_nusd < 0) AND (actor = '' OR reason = '')"""),
    Invariant("I12", "an idempotency key belongs to one hold of its tenant, and a hold to one key at the most", """
        SELECT k.tenant_id, k.id, k.reservation_id, r.tenant_id AS of_hold
          FROM billing_idempotencykey k LEFT JOIN billing_reservation r ON r.id = k.reservation_id
         WHERE r.tenant_id IS DISTINCT FROM k.tenant_id
        UNION ALL SELECT (array_agg(k.tenant_id))[1], min(k.id), k.reservation_id, NULL FROM billing_idempotencykey k
         GROUP BY k.reservation_id HAVING count(*) > 1"""),
    Invariant("I13", "hold, window, budget and entry belong to one tenant", """
        SELECT r.tenant_id, r.id, x.window_id, NULL::uuid FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
          JOIN billing_budgetwindow w ON w.id = x.window_id WHERE w.tenant_id <> r.tenant_id
        UNION ALL
        SELECT r.tenant_id, r.id, NULL, e.id FROM billing_reservation r JOIN billing_costentry e ON e.reservation_id = r.id
         WHERE e.tenant_id <> r.tenant_id
        UNION ALL
        SELECT b.tenant_id, b.id, w.id, NULL FROM billing_budget b JOIN billing_budgetwindow w ON w.budget_id = b.id
         WHERE w.tenant_id <> b.tenant_id"""),
    Invariant("I14", "a correction stands on something booked, is posted once, and takes back no more than there is", """
        SELECT (array_agg(tenant_id))[1] AS tenant_id, reservation_id, leg, NULL::smallint AS attempt,
               coalesce(sum(amount_nusd) FILTER (WHERE kind <> 'overrun'), 0) AS spent,
               coalesce(sum(amount_nusd) FILTER (WHERE kind = 'overrun'), 0) AS overrun
          FROM billing_costentry GROUP BY reservation_id, leg
        HAVING sum(amount_nusd) FILTER (WHERE kind <> 'overrun') < 0 OR sum(amount_nusd) FILTER (WHERE kind = 'overrun') < 0
        UNION ALL
        SELECT (array_agg(tenant_id))[1], reservation_id, leg, attempt, count(*), NULL FROM billing_costentry WHERE reference <> ''
         GROUP BY reservation_id, leg, attempt, kind, reference HAVING count(*) > 1
        UNION ALL
        SELECT c.tenant_id, c.reservation_id, c.leg, c.attempt, c.amount_nusd, NULL FROM billing_costentry c
         WHERE c.reference <> '' AND NOT EXISTS (SELECT 1 FROM billing_costentry o WHERE o.reservation_id = c.reservation_id AND o.leg = c.leg
                                                    AND o.attempt = c.attempt AND o.kind NOT IN ('adjustment', 'overrun'))"""),
)


def check() -> Sequence[Break]:
    """Return what breaks an invariant, as `breaks()` does, and let others know how much that is."""
    found = list(breaks())
    ledger_checked.send_robust(sender=None, broken=len(found))
    return found


def breaks() -> Iterator[Break]:
    """Yield every row that breaks an invariant, at most `SHOWN` of each, over all tenants. One statement each: a quiet ledger shows no
    false break, and under load each statement sees one moment."""
    with platform_scope(), connection.cursor() as cursor:
        for invariant in INVARIANTS:
            cursor.execute(f"{invariant.query} LIMIT {SHOWN}")
            yield from (Break(invariant, tenant_id, tuple(row)) for tenant_id, *row in cursor.fetchall())


def counts(invariant: Invariant, *, patience_s: float) -> Mapping[UUID, int]:
    """Return how many rows break the invariant, by tenant. Raises OperationalError where that takes longer than `patience_s`."""
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{patience_s * 1000:.0f}ms"])
        cursor.execute(f"SELECT q.tenant_id, count(*) FROM ({invariant.query}) q GROUP BY 1")  # noqa: S608 - the queries are ours
        found = dict(cursor.fetchall())
        cursor.execute("SELECT set_config('statement_timeout', '0', true)")
        return found


def sizes() -> dict[str, int]:
    with platform_scope(), connection.cursor() as cursor:
        counts = {}
        for name, table in (("holds", "billing_reservation"), ("entries", "billing_costentry"), ("windows", "billing_budgetwindow")):
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - the names are ours
            (counts[name],) = cursor.fetchone()
    return counts
