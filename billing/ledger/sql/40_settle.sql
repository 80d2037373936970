-- Closes a batch of holds. Each item: {id, tenant, state, entries: [{leg, attempt, kind, amount, step, outcome, provider, model,
-- price_version, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified,
-- provider_request_id}]}. Answers one row an item: 'closed', 'late' (the sweep was faster: the difference is booked as adjustments),
-- 'again' (already settled: nothing is done) or 'unknown'.
DROP FUNCTION IF EXISTS billing_book(jsonb, timestamptz), billing_move_windows(jsonb), billing_settle_late(jsonb, jsonb, timestamptz);  -- older ones

-- Books the entries of holds: p_entries has one array a hold. What a column cannot hold is cut off: an entry that could not be booked
-- would keep its hold open for ever, and the sweep of everybody's holds with it.
CREATE OR REPLACE FUNCTION billing_book(p_holds uuid[], p_entries jsonb[], p_now timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id,
    end_user_id, api_key_id, tier, domain, preset, tags, actor, reason, occurred_at, occurred_on, booked_at)
  SELECT uuidv7(), r.tenant_id, e.kind, r.id, e.leg, coalesce(e.attempt, 1), e.amount, coalesce(left(e.step, 64), ''),
         coalesce(left(e.outcome, 32), ''), coalesce(left(e.provider, 64), ''), coalesce(left(e.model, 200), ''),
         coalesce(left(e.price_version, 64), ''),
         coalesce(e.input_tokens, 0), coalesce(e.cached_input_tokens, 0), coalesce(e.cache_write_tokens, 0),
         coalesce(e.output_tokens, 0), coalesce(e.reasoning_tokens, 0), coalesce(e.is_unverified, false),
         coalesce(left(e.provider_request_id, 200), ''),
         r.end_user_id, r.api_key_id, coalesce(left(r.labels ->> 'tier', 64), ''), coalesce(left(r.labels ->> 'domain', 64), ''),
         coalesce(left(r.labels ->> 'preset', 200), ''),
         ARRAY(SELECT left(t, 100) FROM jsonb_array_elements_text(r.labels -> 'tags') t), coalesce(left(e.actor, 200), ''), coalesce(e.reason, ''),
         r.created_at, (r.created_at AT TIME ZONE (SELECT t.time_zone FROM tenants_tenant t WHERE t.id = r.tenant_id))::date, p_now
    FROM unnest(p_holds, p_entries) AS h(id, entries)
    CROSS JOIN LATERAL jsonb_to_recordset(h.entries) AS e(kind text, leg smallint, attempt smallint, amount bigint, step text, outcome text,
           provider text, model text, price_version text, input_tokens bigint, cached_input_tokens bigint, cache_write_tokens bigint,
           output_tokens bigint, reasoning_tokens bigint, is_unverified boolean, provider_request_id text, actor text, reason text)
    JOIN billing_reservation r ON r.id = h.id
$$;

-- Notes the soft marks that windows have passed, each once, and sets the spend at which the next one is.
CREATE OR REPLACE FUNCTION billing_pass_marks(p_windows bigint[], p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO billing_budgetmark (id, tenant_id, window_id, percent, spent_nusd, limit_nusd, reached_at)
  SELECT uuidv7(), w.tenant_id, w.id, m, w.spent_nusd, w.limit_nusd, p_now
    FROM billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id CROSS JOIN LATERAL (SELECT DISTINCT m FROM unnest(b.soft_marks) m) x
   WHERE w.id = ANY (p_windows) AND w.spent_nusd >= billing_mark_nusd(w.limit_nusd, x.m)
  ON CONFLICT (window_id, percent) DO NOTHING;
  UPDATE billing_budgetwindow w
     SET next_mark_nusd = (SELECT min(billing_mark_nusd(w.limit_nusd, m)) FROM billing_budget b CROSS JOIN LATERAL unnest(b.soft_marks) m
                            WHERE b.id = w.budget_id AND billing_mark_nusd(w.limit_nusd, m) > w.spent_nusd)
   WHERE w.id = ANY (p_windows);
END $$;

-- Moves closed holds from held to spent, and notes the marks that are passed by it. The holds are ones that this transaction has locked
-- and closed, each named once; their windows are locked.
DROP FUNCTION IF EXISTS billing_move_windows(uuid[], bigint[], bigint[]);  -- it takes the time now
CREATE OR REPLACE FUNCTION billing_move_windows(p_holds uuid[], p_actual bigint[], p_overrun bigint[], p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_passed bigint[];
BEGIN
  WITH moved AS (
    UPDATE billing_budgetwindow w
       SET held_nusd = w.held_nusd - d.amount, spent_nusd = w.spent_nusd + d.actual, overrun_nusd = w.overrun_nusd + d.overrun
      FROM (SELECT x.window_id, sum(r.amount_nusd)::bigint AS amount, sum(c.actual)::bigint AS actual, sum(c.overrun)::bigint AS overrun
              FROM unnest(p_holds, p_actual, p_overrun) AS c(id, actual, overrun)
              JOIN billing_reservation r ON r.id = c.id CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
             GROUP BY x.window_id) d
     WHERE w.id = d.window_id
    RETURNING w.id, w.spent_nusd >= w.next_mark_nusd AS is_past_mark
  )
  SELECT array_agg(m.id) INTO v_passed FROM moved m WHERE m.is_past_mark;
  IF v_passed IS NOT NULL THEN
    PERFORM billing_pass_marks(v_passed, p_now);
  END IF;
END $$;

-- What a provider billed beyond the bound breaks a promise: its model is set aside from budgets that degrade or block, until somebody has
-- looked and clears it (QuarantinedModel).
CREATE OR REPLACE FUNCTION billing_quarantine(p_holds uuid[], p_entries jsonb[], p_now timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO billing_quarantinedmodel (id, tenant_id, provider, model, reason, reservation_id, since, cleared_by)
  SELECT uuidv7(), b.tenant_id, b.provider, b.model, 'billed ' || trim_scale(b.amount / 1000000000.0) || ' USD more than the bound of the call', b.id,
         p_now, ''
    FROM (SELECT DISTINCT ON (r.tenant_id, e.provider, e.model) r.tenant_id, r.id, left(e.provider, 64) AS provider, left(e.model, 200) AS model,
                 e.amount
            FROM unnest(p_holds, p_entries) AS h(id, entries)
            CROSS JOIN LATERAL jsonb_to_recordset(h.entries) AS e(kind text, amount bigint, provider text, model text)
            JOIN billing_reservation r ON r.id = h.id
           WHERE e.kind = 'overrun' ORDER BY r.tenant_id, e.provider, e.model, e.amount DESC) b
  ON CONFLICT (tenant_id, provider, model) WHERE cleared_at IS NULL DO NOTHING
$$;

-- Every writer locks in one order: holds by id, then windows by id, then day sums by their key. So two can never wait for each other, and a
-- window that a thousand end users share is held for no longer than its own update and the commit.
CREATE OR REPLACE FUNCTION billing_lock_holds(p_ids uuid[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT 1 FROM billing_reservation r WHERE r.id = ANY (p_ids) ORDER BY r.id FOR UPDATE
$$;
CREATE OR REPLACE FUNCTION billing_lock_windows_of(p_holds uuid[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT 1 FROM billing_budgetwindow w
   WHERE w.id = ANY (ARRAY(SELECT DISTINCT x FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) x WHERE r.id = ANY (p_holds)))
   ORDER BY w.id FOR UPDATE
$$;

-- The sweep assumed the bound before the answer's cost was known: returns the entries that lead from what was booked to what came in, leg
-- by leg, and moves the windows. Null where nothing is to be done: the costs are as assumed, or a late settle was here before.
DROP FUNCTION IF EXISTS billing_correct_late(uuid, jsonb);  -- it takes the time now
CREATE OR REPLACE FUNCTION billing_correct_late(p_hold uuid, p_entries jsonb, p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_windows bigint[]; v_room bigint; v_late jsonb; v_adjusted bigint; v_overrun bigint;
BEGIN
  IF EXISTS (SELECT 1 FROM billing_costentry c WHERE c.reservation_id = p_hold AND (c.kind = 'overrun' OR c.reason = 'late settle')) THEN
    RETURN NULL;
  END IF;
  SELECT r.window_ids INTO v_windows FROM billing_reservation r WHERE r.id = p_hold;
  SELECT min(w.cap_high_nusd - w.spent_nusd - w.held_nusd) INTO v_room FROM billing_budgetwindow w WHERE w.id = ANY (v_windows);
  WITH booked AS (
    SELECT c.leg, sum(c.amount_nusd) AS amount, jsonb_build_object('step', min(c.step), 'provider', min(c.provider), 'model', min(c.model),
           'price_version', min(c.price_version)) AS facts
      FROM billing_costentry c WHERE c.reservation_id = p_hold GROUP BY c.leg
  ), came AS (
    SELECT (e ->> 'leg')::smallint AS leg, coalesce(sum((e ->> 'amount')::bigint) FILTER (WHERE e ->> 'kind' <> 'overrun'), 0) AS amount,
           coalesce(sum((e ->> 'amount')::bigint) FILTER (WHERE e ->> 'kind' = 'overrun'), 0) AS overrun,
           (array_agg(e ORDER BY (e ->> 'attempt')::int DESC NULLS LAST))[1] - 'kind' - 'amount' - 'attempt' AS facts  -- of the attempt that answered
      FROM jsonb_array_elements(p_entries) e GROUP BY 1
  ), differences AS (
    SELECT coalesce(c.leg, b.leg) AS leg, coalesce(c.amount, 0) - coalesce(b.amount, 0) AS amount, coalesce(c.overrun, 0) AS overrun,
           coalesce(b.facts, '{}') || coalesce(c.facts, '{}') AS facts
      FROM booked b FULL JOIN came c ON c.leg = b.leg
  ), lines AS (
    -- More than was assumed is spent where it fits, and an overrun where it does not: no window is ever over.
    SELECT CASE WHEN d.amount > 0 AND sum(d.amount) OVER () > v_room THEN 'overrun' ELSE 'adjustment' END AS kind, d.leg, d.amount, d.facts
      FROM differences d WHERE d.amount <> 0
    UNION ALL SELECT 'overrun', d.leg, d.overrun, d.facts FROM differences d WHERE d.overrun > 0
  )
  SELECT jsonb_agg(l.facts || jsonb_build_object('leg', l.leg, 'kind', l.kind, 'amount', l.amount, 'actor', 'ledger', 'reason', 'late settle')),
         coalesce(sum(l.amount) FILTER (WHERE l.kind = 'adjustment'), 0), coalesce(sum(l.amount) FILTER (WHERE l.kind = 'overrun'), 0)
    INTO v_late, v_adjusted, v_overrun FROM lines l;
  UPDATE billing_budgetwindow w SET spent_nusd = w.spent_nusd + v_adjusted, overrun_nusd = w.overrun_nusd + v_overrun
   WHERE v_late IS NOT NULL AND w.id = ANY (v_windows);
  PERFORM billing_pass_marks(v_windows, p_now) WHERE v_adjusted > 0;
  RETURN v_late;
END $$;

CREATE OR REPLACE FUNCTION billing_settle(p_batch jsonb) RETURNS TABLE (item int, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET lock_timeout = '5s' AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_status text[];                                                    -- per item
  v_holds uuid[]; v_states text[]; v_actual bigint[]; v_overrun bigint[];  -- per hold that is closed
  v_booked uuid[]; v_entries jsonb[];                                 -- per hold that gets entries
  v_late jsonb;
BEGIN
  PERFORM billing_lock_holds(ARRAY(SELECT (i ->> 'id')::uuid FROM jsonb_array_elements(p_batch) i));
  -- What each item comes to, and how its hold stands now that it is locked. Of two items for one hold the first counts.
  WITH items AS (
    SELECT i.ord, i.value ->> 'state' AS asked, coalesce(i.value -> 'entries', '[]') AS entries, r.id,
           CASE WHEN r.tenant_id IS DISTINCT FROM (i.value ->> 'tenant')::uuid THEN 'unknown'
                WHEN row_number() OVER (PARTITION BY r.id, r.tenant_id = (i.value ->> 'tenant')::uuid ORDER BY i.ord) > 1 THEN 'again'
                WHEN r.state = 'open' THEN 'closed' WHEN r.state = 'assumed' THEN 'late' ELSE 'again' END AS status
      FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
      LEFT JOIN billing_reservation r ON r.id = (i.value ->> 'id')::uuid
  ), sums AS (
    SELECT s.*, e.actual, e.overrun
      FROM items s CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.amount) FILTER (WHERE x.kind <> 'overrun'), 0)::bigint AS actual,
               coalesce(sum(x.amount) FILTER (WHERE x.kind = 'overrun'), 0)::bigint AS overrun
          FROM jsonb_to_recordset(s.entries) AS x(kind text, amount bigint)) e
  )
  SELECT array_agg(s.status ORDER BY s.ord), array_agg(s.id) FILTER (WHERE s.status = 'closed'),
         array_agg(s.asked) FILTER (WHERE s.status = 'closed'),
         array_agg(s.actual) FILTER (WHERE s.status = 'closed'), array_agg(s.overrun) FILTER (WHERE s.status = 'closed'),
         array_agg(s.id) FILTER (WHERE s.status = 'closed'), array_agg(s.entries) FILTER (WHERE s.status = 'closed')
    INTO v_status, v_holds, v_states, v_actual, v_overrun, v_booked, v_entries FROM sums s;
  IF '[]' = ANY (v_entries) THEN
    RAISE EXCEPTION 'a hold is closed with at least one entry' USING ERRCODE = 'CF003';
  END IF;

  UPDATE billing_reservation r SET state = f.asked, actual_nusd = f.actual, closed_at = v_now
    FROM unnest(v_holds, v_states, v_actual) AS f(id, asked, actual) WHERE r.id = f.id;
  PERFORM billing_lock_windows_of(ARRAY(SELECT (i ->> 'id')::uuid FROM jsonb_array_elements(p_batch) i));
  PERFORM billing_move_windows(v_holds, v_actual, v_overrun, v_now);
  FOR i IN 1 .. cardinality(v_status) LOOP
    CONTINUE WHEN v_status[i] <> 'late';
    v_late := billing_correct_late((p_batch -> (i - 1) ->> 'id')::uuid, p_batch -> (i - 1) -> 'entries', v_now);
    IF v_late IS NULL THEN
      v_status[i] := 'again';
    ELSE
      v_booked := v_booked || (p_batch -> (i - 1) ->> 'id')::uuid; v_entries := v_entries || v_late;
    END IF;
  END LOOP;
  -- All in one statement: the day sums that it raises are locked in one order, so two batches cannot wait for each other.
  PERFORM billing_book(v_booked, v_entries, v_now) WHERE v_booked IS NOT NULL;
  -- Judged by what came in: an adjustment that does not fit its windows is an overrun too, but nothing that the provider did wrong.
  PERFORM billing_quarantine(array_agg((i.value ->> 'id')::uuid), array_agg(i.value -> 'entries'), v_now)
     FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
    WHERE v_status[i.ord] IN ('closed', 'late') AND i.value -> 'entries' @> '[{"kind": "overrun"}]' HAVING count(*) > 0;
  RETURN QUERY SELECT n, v_status[n] FROM generate_series(1, cardinality(v_status)) n ORDER BY n;
END $$;

-- Marks legs whose first byte is about to leave, so that a crash charges only what may have been sent. Items: {id, tenant, leg}.
-- Answers 'marked', 'closed' (the sweep was faster) or 'unknown': no such hold of this tenant, or no such leg in its plan.
CREATE OR REPLACE FUNCTION billing_mark_sent(p_batch jsonb) RETURNS TABLE (item int, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET lock_timeout = '5s' AS $$
BEGIN
  PERFORM 1 FROM billing_reservation r WHERE r.id = ANY (ARRAY(SELECT (i ->> 'id')::uuid FROM jsonb_array_elements(p_batch) i))
    ORDER BY r.id FOR UPDATE;
  UPDATE billing_reservation r SET sent = r.sent | m.legs
    FROM (SELECT (i ->> 'id')::uuid AS id, (i ->> 'tenant')::uuid AS tenant_id, bit_or(1::bigint << (i ->> 'leg')::int) AS legs
            FROM jsonb_array_elements(p_batch) i WHERE (i ->> 'leg')::int BETWEEN 0 AND 62 GROUP BY 1, 2) m
   WHERE r.id = m.id AND r.tenant_id = m.tenant_id AND r.state = 'open';
  RETURN QUERY
  SELECT i.ord::int, CASE WHEN r.tenant_id IS DISTINCT FROM (i.value ->> 'tenant')::uuid
                            OR (i.value ->> 'leg')::int NOT BETWEEN 0 AND least(jsonb_array_length(r.legs), 63) - 1 THEN 'unknown'
                          WHEN r.state = 'open' THEN 'marked' ELSE 'closed' END
    FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord) LEFT JOIN billing_reservation r ON r.id = (i.value ->> 'id')::uuid ORDER BY 1;
END $$;
REVOKE ALL ON FUNCTION billing_settle(jsonb), billing_mark_sent(jsonb), billing_book(uuid[], jsonb[], timestamptz), billing_lock_holds(uuid[]),
  billing_move_windows(uuid[], bigint[], bigint[], timestamptz), billing_lock_windows_of(uuid[]), billing_pass_marks(bigint[], timestamptz),
  billing_quarantine(uuid[], jsonb[], timestamptz), billing_correct_late(uuid, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_settle(jsonb), billing_mark_sent(jsonb) TO {app_role};
