"""What must hold in the ledger at every moment, as queries that return the rows that break it.

Numbers as in docs/algorithms/budgets.md. A healthy ledger returns no row for any of them.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection
from msgspec import Struct

from tenants.scoping import platform_scope

STUCK_AFTER = timedelta(seconds=60)
SHOWN = 20


class Invariant(Struct, frozen=True):
    name: str
    meaning: str
    query: str


class Break(Struct, frozen=True):
    invariant: Invariant
    row: tuple[object, ...]


_ENTRIES_OF_WINDOWS = """
    SELECT x.window_id, sum(e.amount_nusd) FILTER (WHERE e.kind <> 'overrun') AS spent, sum(e.amount_nusd) FILTER (WHERE e.kind = 'overrun') AS overrun
      FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id) JOIN billing_costentry e ON e.reservation_id = r.id
     GROUP BY x.window_id
"""  # noqa: S608
INVARIANTS = (
    Invariant("I1", "a window's spent is the sum of its entries", f"""
        SELECT w.id, w.spent_nusd, w.opening_nusd + coalesce(s.spent, 0), w.overrun_nusd, coalesce(s.overrun, 0)
          FROM billing_budgetwindow w LEFT JOIN ({_ENTRIES_OF_WINDOWS}) s ON s.window_id = w.id
         WHERE w.spent_nusd <> w.opening_nusd + coalesce(s.spent, 0) OR w.overrun_nusd <> coalesce(s.overrun, 0)"""),
    Invariant("I2", "a window's held is the sum of its open holds", """
        SELECT w.id, w.held_nusd, coalesce(s.held, 0) FROM billing_budgetwindow w
          LEFT JOIN (SELECT x.window_id, sum(r.amount_nusd) AS held FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
                      WHERE r.state = 'open' GROUP BY x.window_id) s ON s.window_id = w.id
         WHERE w.held_nusd <> coalesce(s.held, 0)"""),
    Invariant("I3", "no window is over its cap", """
        SELECT id, spent_nusd, held_nusd, cap_high_nusd FROM billing_budgetwindow WHERE spent_nusd + held_nusd > cap_high_nusd"""),
    Invariant("I4", "a closed hold has terminal entries that add up to it; an open one has none", """
        SELECT r.id, r.state, r.actual_nusd, s.entries, s.amount FROM billing_reservation r
          LEFT JOIN (SELECT reservation_id, count(*) AS entries, sum(amount_nusd) AS amount FROM billing_costentry
                      WHERE kind NOT IN ('overrun', 'adjustment') GROUP BY 1) s ON s.reservation_id = r.id
         WHERE (r.state = 'open') <> (s.entries IS NULL) OR (r.state <> 'open' AND r.actual_nusd IS DISTINCT FROM s.amount)"""),
    Invariant("I5", "nothing is settled above its hold", "SELECT id, amount_nusd, actual_nusd FROM billing_reservation WHERE actual_nusd > amount_nusd"),
    Invariant("I6", "a hold is held in windows that exist", """
        SELECT r.id, x.window_id FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
         WHERE NOT EXISTS (SELECT 1 FROM billing_budgetwindow w WHERE w.id = x.window_id)"""),
    Invariant("I7", "the day sums are the sums of the entries", """
        SELECT coalesce(e.tenant_id, d.tenant_id), coalesce(e.day, d.day), e.cost, d.cost_nusd
          FROM (SELECT tenant_id, occurred_on AS day, sum(amount_nusd) AS cost FROM billing_costentry GROUP BY 1, 2) e
          FULL JOIN (SELECT * FROM billing_dayrollup WHERE dimension = 'all') d ON d.tenant_id = e.tenant_id AND d.day = e.day
         WHERE e.cost IS DISTINCT FROM d.cost_nusd"""),
    Invariant("I8", "no hold is open long after its deadline", f"""
        SELECT id, owner, expires_at FROM billing_reservation
         WHERE state = 'open' AND expires_at < clock_timestamp() - interval '{STUCK_AFTER.total_seconds():.0f} seconds'"""),  # noqa: S608
    Invariant("I9", "windows of a budget do not overlap", """
        SELECT a.budget_id, a.subject, a.end_at, b.start_at FROM billing_budgetwindow a
          JOIN billing_budgetwindow b ON b.budget_id = a.budget_id AND b.subject = a.subject AND b.start_at > a.start_at AND b.start_at < a.end_at"""),
    Invariant("I10", "an adjustment says who and why", "SELECT id FROM billing_costentry WHERE kind = 'adjustment' AND (actor = '' OR reason = '')"),
    Invariant("I13", "hold, window and entry belong to one tenant", """
        SELECT r.id, w.id, e.id FROM billing_reservation r
          LEFT JOIN billing_budgetwindow w ON w.id = ANY (r.window_ids) AND w.tenant_id <> r.tenant_id
          LEFT JOIN billing_costentry e ON e.reservation_id = r.id AND e.tenant_id <> r.tenant_id
         WHERE w.id IS NOT NULL OR e.id IS NOT NULL"""),
)


def breaks() -> Iterator[Break]:
    """Yield every row that breaks an invariant, at most `SHOWN` of each, over all tenants. One statement each: a quiet ledger shows no
    false break, and under load each statement sees one moment."""
    with platform_scope(), connection.cursor() as cursor:
        for invariant in INVARIANTS:
            cursor.execute(f"{invariant.query} LIMIT {SHOWN}")
            yield from (Break(invariant, tuple(row)) for row in cursor.fetchall())


def sizes() -> dict[str, int]:
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM billing_reservation), (SELECT count(*) FROM billing_costentry), (SELECT count(*) FROM billing_budgetwindow)")
        holds, entries, windows = cursor.fetchone()
    return {"holds": holds, "entries": entries, "windows": windows}
