"""Bugs that are put into the ledger's SQL, to see that they are found."""

from msgspec import Struct


class Mutant(Struct, frozen=True):
    """In `file`, `find` is there once, and `replace` is the bug. `by` is the check that is tried first."""

    name: str
    file: str
    find: str
    replace: str
    by: str = "the state machine"


MUTANTS = (
    Mutant("windows are not locked", "30_reserve.sql",
           "  PERFORM 1 FROM billing_budgetwindow w WHERE w.id = ANY (v_of) ORDER BY w.id FOR UPDATE;\n", "", by="the race for money"),
    Mutant("what is held is not freed", "40_settle.sql", "held_nusd = w.held_nusd - d.amount, ", ""),
    Mutant("a hold can be settled again", "40_settle.sql", "WHEN r.state = 'assumed' THEN 'late' ELSE 'again' END", "ELSE 'closed' END"),
    Mutant("the sweep releases", "50_sweep.sql", "coalesce(sum((g.value ->> 'amount')::bigint), 0)::bigint AS actual", "0::bigint AS actual"),
    Mutant("a cheaper rung meets a budget that blocks", "30_reserve.sql",
           "    CONTINUE WHEN (v_asked.rungs -> 0 ->> 'amount')::bigint > greatest(v_block, CASE WHEN v_block IS NOT NULL THEN 0 END);\n", ""),
    Mutant("budgets of tags are passed over", "30_reserve.sql",
           "SELECT i.item, i.tenant_id, i.zone, 'tag', t.value, ''", "SELECT i.item, i.tenant_id, i.zone, 'tags', t.value, ''"),
    Mutant("marks of legs are passed over", "50_sweep.sql", "WHERE r.sent & (1::bigint << (g.ord - 1)::int) <> 0) l", "WHERE g.ord = 1) l"),
    Mutant("the day sums take one entry of many", "05_guards.sql", "sum(b.amount_nusd), count(*)", "max(b.amount_nusd), count(*)"),
    Mutant("one's own budget does not replace everybody's", "30_reserve.sql",
           "   WHERE NOT (k.scope = 'end_user' AND k.subject = '' AND k.is_own)\n", ""),
    Mutant("the highest cap is forgotten", "30_reserve.sql", "greatest(w.cap_high_nusd, n.cap, w.spent_nusd + w.held_nusd)", "n.cap"),
    Mutant("overruns are not counted", "40_settle.sql", ", overrun_nusd = w.overrun_nusd + d.overrun", ""),
    Mutant("a late settle counts every time", "40_settle.sql", "c.kind = 'overrun' OR c.reason = 'late settle'", "false"),
    Mutant("a hold may be settled by another tenant", "40_settle.sql",
           "CASE WHEN r.tenant_id IS DISTINCT FROM (i.value ->> 'tenant')::uuid THEN 'unknown'\n                WHEN row_number",
           "CASE WHEN row_number", by="the tenants' wall"),
    Mutant("holds are not locked before they are closed", "40_settle.sql",
           "  SELECT 1 FROM billing_reservation r WHERE r.id = ANY (p_ids) ORDER BY r.id FOR UPDATE\n", "  SELECT 1\n", by="the race for money"),
    # Budgets
    Mutant("a paused budget binds", "30_reserve.sql", " AND NOT o.is_paused", ""),
    Mutant("a budget that was ended binds", "30_reserve.sql", " AND o.ended_at IS NULL", ""),
    Mutant("an override never ends", "30_reserve.sql",
           "CASE WHEN b.override_until > v_now THEN b.override_limit_nusd ELSE b.limit_nusd END AS limit_now",
           "coalesce(b.override_limit_nusd, b.limit_nusd) AS limit_now"),
    Mutant("a new window knows nothing of what was spent before", "30_reserve.sql", "  RETURN greatest(coalesce(v_sum, 0), 0);", "  RETURN 0;"),
    Mutant("a period that ended goes on", "30_reserve.sql", "w.id IS NULL OR w.end_at <= p_now", "w.id IS NULL"),
    # Idempotency keys
    Mutant("a key stays claimed although the hold was refused", "25_keys.sql",
           "WHERE i.ord = ANY (p_items) AND k.tenant_id", "WHERE false AND k.tenant_id"),
    Mutant("a key that expired is never free", "25_keys.sql", "     WHERE known.expires_at <= p_now\n", "     WHERE false\n"),
    Mutant("a key that is in use is taken over", "25_keys.sql", "     WHERE known.expires_at <= p_now\n", "     WHERE true\n"),
    Mutant("a second call under a key is admitted", "25_keys.sql",
           "WHERE a.id NOT IN (SELECT c.reservation_id FROM claimed c)", "WHERE false AND a.id NOT IN (SELECT c.reservation_id FROM claimed c)"),
    Mutant("a key that is claimed anew keeps its old reply", "25_keys.sql", "reservation_id = excluded.reservation_id, status = NULL, reply = '',",
           "reservation_id = excluded.reservation_id,", by="the second life of a key"),
    Mutant("another call lets go of a key", "25_keys.sql",
           "    DELETE FROM billing_idempotencykey k\n     WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key "
           "AND k.reservation_id = p_reservation;",
           "    DELETE FROM billing_idempotencykey k\n     WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key;"),
    Mutant("another call's reply is kept under a key", "25_keys.sql",
           "status = p_status, reply = p_reply\n     WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key "
           "AND k.reservation_id = p_reservation;",
           "status = p_status, reply = p_reply\n     WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key;"),
    Mutant("another tenant finds a key", "25_keys.sql",
           "   WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key AND k.expires_at",
           "   WHERE k.endpoint = p_endpoint AND k.key = p_key AND k.expires_at", by="the tenants' wall"),
    Mutant("the same key at another endpoint is the same call", "25_keys.sql",
           "   WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key AND k.expires_at",
           "   WHERE k.tenant_id = p_tenant AND k.key = p_key AND k.expires_at"),
    Mutant("keys are forgotten before their time", "25_keys.sql", "WHERE e.expires_at < clock_timestamp() ORDER BY", "WHERE true ORDER BY"),
    # Rate limits
    Mutant("a refused call takes from its limits", "27_rates.sql", "      IF NOT v_no THEN\n", "      IF true THEN\n"),
    Mutant("a call takes from the limits that bear it though another refuses it", "27_rates.sql", "      IF NOT v_no THEN\n",
           "      IF v_waits[k] <= 0.001 THEN\n"),
    Mutant("a bucket refills twice as fast", "27_rates.sql", "extract(epoch FROM b.full_at - v_now)", "extract(epoch FROM b.full_at - v_now) / 2"),
    Mutant("what does not get a hold gives nothing back to its limits", "27_rates.sql", "full_at = b.full_at - make_interval(secs => r.seconds)",
           "full_at = b.full_at"),
    Mutant("what a rate limit refused is given back to it", "30_reserve.sql",
           "    WHERE v_rungs[r.item::int] IS NULL AND r.item::int <> ALL (v_limited) HAVING", "    WHERE v_rungs[r.item::int] IS NULL HAVING"),
    Mutant("one more than the limit passes", "27_rates.sql", "v_cost[v_last] * 60.0::float8 / v_most[v_last] - 60) END;",
           "(v_cost[v_last] - 1) * 60.0::float8 / v_most[v_last] - 60) END;"),
    Mutant("a call under a key that is taken takes from its limits", "27_rates.sql", "           WHERE r.item <> ALL (p_except) ORDER BY r.item) a;",
           "           WHERE true ORDER BY r.item) a;"),
    Mutant("tokens are counted as requests", "27_rates.sql",
           "('tokens', r.tokens, coalesce((i.value ->> 'tokens')::bigint, 0))", "('tokens', r.tokens, 1)"),
    Mutant("a call that never fits is told to wait", "27_rates.sql", "CASE WHEN v_cost[v_last] <= v_most[v_last]\n",
           "CASE WHEN true\n"),
    Mutant("a clock that jumped back locks out for a day", "27_rates.sql", "least(60, greatest(0, extract(epoch FROM b.full_at - v_now)))",
           "greatest(0, extract(epoch FROM b.full_at - v_now))"),
    Mutant("tenants share buckets", "27_rates.sql", "WHERE f.tenant_id = x.tenant_id AND f.subject = x.subject AND f.unit = x.unit OFFSET 0",
           "WHERE f.subject = x.subject AND f.unit = x.unit ORDER BY f.full_at DESC LIMIT 1"),
    Mutant("buckets are not locked", "27_rates.sql", "DO UPDATE SET full_at = excluded.full_at WHERE false;", "DO NOTHING;",
           by="the race for limits"),
    Mutant("buckets are forgotten before they are full", "27_rates.sql", "WHERE f.full_at < clock_timestamp() LIMIT p_limit", "LIMIT p_limit"),
    # Calls in flight
    Mutant("open calls are counted by the tenant", "28_open_calls.sql", " AND r.end_user_id = a.end_user_id", ""),
    Mutant("open calls of other tenants count", "28_open_calls.sql", "r.tenant_id = a.tenant_id AND ", ""),
    Mutant("one open call more than may be", "28_open_calls.sql", "> a.most\n", "> a.most + 1\n"),
    Mutant("one open call fewer than may be", "28_open_calls.sql", "> a.most\n", ">= a.most\n"),
    Mutant("closed calls count as open", "28_open_calls.sql", " AND r.state = 'open') > a.most", ") > a.most"),
    Mutant("calls of one batch do not count each other", "28_open_calls.sql", "WHERE a.of_batch + (", "WHERE 1 + ("),
    Mutant("calls of one batch count those of other end users", "28_open_calls.sql", "PARTITION BY i.value ->> 'end_user' ORDER BY", "ORDER BY"),
    Mutant("calls that were refused before count as open", "28_open_calls.sql", " AND i.ord <> ALL (p_except)) a", ") a"),
    Mutant("who counts open calls takes no lock", "28_open_calls.sql", "  PERFORM pg_advisory_xact_lock(k.key)\n", "  PERFORM k.key\n",
           by="the race for limits"),
    # Corrections
    Mutant("a reference is accepted twice", "60_adjust.sql", "WHEN v_line.is_there OR concat_ws", "WHEN concat_ws"),
    Mutant("a reference is accepted twice in one batch", "60_adjust.sql",
           "WHEN v_line.is_there OR concat_ws(' ', v_key, v_asked.reference) = ANY (v_posted) THEN 'again'", "WHEN v_line.is_there THEN 'again'"),
    Mutant("a correction does not touch the windows", "60_adjust.sql", "AND (v_rest <> 0 OR v_overrun <> 0);", "AND false;"),
    Mutant("a correction of an open hold is posted", "60_adjust.sql", "WHEN v_asked.state = 'open' THEN 'open' ", ""),
    Mutant("what is less takes no overrun back", "60_adjust.sql", "v_back := least(v_line.overrun, greatest(-v_asked.amount, 0));", "v_back := 0;"),
    Mutant("more is taken back than is booked", "60_adjust.sql", "IF -v_rest > least(v_line.spent, v_least) THEN", "IF -v_rest > v_least THEN"),
    Mutant("what does not fit is spent", "60_adjust.sql", "WHEN v_rest > 0 AND v_rest > v_room THEN v_rest", "WHEN false THEN v_rest"),
    Mutant("what has changed since does not matter", "60_adjust.sql", "WHEN v_asked.after <> v_line.newest OR v_key", "WHEN v_key"),
    Mutant("a batch corrects an attempt twice", "60_adjust.sql", "WHEN v_asked.after <> v_line.newest OR v_key = ANY (v_touched) THEN",
           "WHEN v_asked.after <> v_line.newest THEN"),
    Mutant("a leg's attempts are taken for one", "60_adjust.sql",
           "AND c.leg = v_asked.leg AND c.attempt = v_asked.attempt;", "AND c.leg = v_asked.leg;"),
    Mutant("another tenant corrects a hold", "60_adjust.sql", " AND r.tenant_id = (i.value ->> 'tenant')::uuid\n", "\n", by="the tenants' wall"),
    Mutant("holds are not locked before they are corrected", "60_adjust.sql", "  PERFORM billing_lock_holds(v_ids);\n", "",
           by="the race of corrections"),
)  # fmt: skip
