-- Closes a batch of holds. Each item: {id, tenant, state, entries: [{leg, attempt, kind, amount, step, outcome, provider, model,
-- price_version, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified,
-- provider_request_id}]}. Answers one row an item: 'closed', 'late' (the sweep was faster: the difference is an adjustment),
-- 'again' (already settled: nothing is done) or 'unknown'.
CREATE OR REPLACE FUNCTION billing_book(p_entries jsonb, p_now timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id,
    end_user_id, api_key_id, tier, domain, preset, tags, actor, reason, occurred_at, occurred_on, booked_at)
  SELECT uuidv7(), r.tenant_id, e.kind, r.id, e.leg, coalesce(e.attempt, 1), e.amount, e.step, coalesce(e.outcome, ''), e.provider, e.model,
         coalesce(e.price_version, ''), coalesce(e.input_tokens, 0), coalesce(e.cached_input_tokens, 0), coalesce(e.cache_write_tokens, 0),
         coalesce(e.output_tokens, 0), coalesce(e.reasoning_tokens, 0), coalesce(e.is_unverified, false), coalesce(e.provider_request_id, ''),
         r.end_user_id, r.api_key_id, coalesce(r.labels ->> 'tier', ''), coalesce(r.labels ->> 'domain', ''), coalesce(r.labels ->> 'preset', ''),
         ARRAY(SELECT jsonb_array_elements_text(coalesce(r.labels -> 'tags', '[]'))), coalesce(e.actor, ''), coalesce(e.reason, ''),
         r.created_at, (r.created_at AT TIME ZONE t.time_zone)::date, p_now
    FROM jsonb_to_recordset(p_entries) AS e(hold uuid, kind text, leg smallint, attempt smallint, amount bigint, step text, outcome text,
           provider text, model text, price_version text, input_tokens bigint, cached_input_tokens bigint, cache_write_tokens bigint,
           output_tokens bigint, reasoning_tokens bigint, is_unverified boolean, provider_request_id text, actor text, reason text)
    JOIN billing_reservation r ON r.id = e.hold
    JOIN tenants_tenant t ON t.id = r.tenant_id
$$;

-- Moves closed holds from held to spent. p_closed: [{id, actual, overrun}] of reservations that this transaction has locked and closed.
CREATE OR REPLACE FUNCTION billing_move_windows(p_closed jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE billing_budgetwindow w
     SET held_nusd = w.held_nusd - d.amount, spent_nusd = w.spent_nusd + d.actual, overrun_nusd = w.overrun_nusd + d.overrun
    FROM (SELECT x.window_id, sum(r.amount_nusd)::bigint AS amount, sum(c.actual)::bigint AS actual, sum(c.overrun)::bigint AS overrun
            FROM jsonb_to_recordset(p_closed) AS c(id uuid, actual bigint, overrun bigint)
            JOIN billing_reservation r ON r.id = c.id CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id)
           GROUP BY x.window_id) d
   WHERE w.id = d.window_id
$$;

CREATE OR REPLACE FUNCTION billing_lock_holds(p_ids uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM billing_budgetwindow w
    WHERE w.id IN (SELECT unnest(r.window_ids) FROM billing_reservation r WHERE r.id = ANY (p_ids)) ORDER BY w.id FOR UPDATE;
  PERFORM 1 FROM billing_reservation r WHERE r.id = ANY (p_ids) ORDER BY r.id FOR UPDATE;
END $$;

CREATE OR REPLACE FUNCTION billing_settle(p_batch jsonb) RETURNS TABLE (item int, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_ids uuid[] := ARRAY(SELECT (i ->> 'id')::uuid FROM jsonb_array_elements(p_batch) i);
  v_facts jsonb;
BEGIN
  PERFORM billing_lock_holds(v_ids);
  -- What each item comes to, and how its hold stands now that it is locked.
  SELECT jsonb_agg(jsonb_build_object('item', f.ord, 'id', f.id, 'tenant', f.tenant, 'asked', f.asked, 'actual', f.actual, 'overrun', f.overrun,
                   'status', CASE WHEN r.id IS NULL THEN 'unknown' WHEN r.state = 'open' THEN 'closed' WHEN r.state = 'assumed' THEN 'late' ELSE 'again' END))
    INTO v_facts
    FROM (SELECT i.ord, (i.value ->> 'id')::uuid AS id, (i.value ->> 'tenant')::uuid AS tenant, i.value ->> 'state' AS asked,
                 coalesce(sum(e.amount) FILTER (WHERE e.kind <> 'overrun'), 0) AS actual, coalesce(sum(e.amount) FILTER (WHERE e.kind = 'overrun'), 0) AS overrun
            FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
            LEFT JOIN LATERAL jsonb_to_recordset(i.value -> 'entries') AS e(kind text, amount bigint) ON true
           GROUP BY i.ord, i.value) f
    LEFT JOIN billing_reservation r ON r.id = f.id AND r.tenant_id = f.tenant;

  UPDATE billing_reservation r SET state = f.asked, actual_nusd = f.actual, closed_at = v_now
    FROM jsonb_to_recordset(v_facts) AS f(id uuid, status text, asked text, actual bigint) WHERE f.status = 'closed' AND r.id = f.id;
  PERFORM billing_move_windows(jsonb_path_query_array(v_facts, '$[*] ? (@.status == "closed")'));
  PERFORM billing_book(coalesce((
    SELECT jsonb_agg(e.value || jsonb_build_object('hold', f.id))
      FROM jsonb_to_recordset(v_facts) AS f(item int, id uuid, status text)
      CROSS JOIN LATERAL jsonb_array_elements(p_batch -> (f.item - 1) -> 'entries') AS e(value) WHERE f.status = 'closed'), '[]'), v_now);
  IF jsonb_path_exists(v_facts, '$[*] ? (@.status == "late")') THEN
    PERFORM billing_settle_late(p_batch, v_facts, v_now);
  END IF;
  RETURN QUERY SELECT f.item, f.status FROM jsonb_to_recordset(v_facts) AS f(item int, status text) ORDER BY f.item;
END $$;

-- The sweep assumed the bound before the answer's cost was known: book the difference, once.
CREATE OR REPLACE FUNCTION billing_settle_late(p_batch jsonb, p_facts jsonb, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_late jsonb;
BEGIN
  SELECT jsonb_agg(jsonb_build_object('hold', r.id, 'kind', 'adjustment', 'amount', f.actual - r.actual_nusd, 'actor', 'ledger', 'reason', 'late settle',
                   'leg', e.leg, 'step', e.step, 'provider', e.provider, 'model', e.model, 'price_version', e.price_version,
                   'input_tokens', e.input_tokens, 'output_tokens', e.output_tokens))
    INTO v_late
    FROM jsonb_to_recordset(p_facts) AS f(item int, id uuid, status text, actual bigint)
    JOIN billing_reservation r ON r.id = f.id
    CROSS JOIN LATERAL (SELECT * FROM jsonb_to_recordset(p_batch -> (f.item - 1) -> 'entries') AS l(leg smallint, step text, provider text, model text,
             price_version text, input_tokens bigint, output_tokens bigint) ORDER BY l.leg LIMIT 1) e
   WHERE f.status = 'late' AND f.actual <> r.actual_nusd
     AND NOT EXISTS (SELECT 1 FROM billing_costentry c WHERE c.reservation_id = r.id AND c.kind = 'adjustment' AND c.reason = 'late settle');
  IF v_late IS NULL THEN
    RETURN;
  END IF;
  UPDATE billing_budgetwindow w SET spent_nusd = w.spent_nusd + d.amount
    FROM (SELECT x.window_id, sum(l.amount)::bigint AS amount FROM jsonb_to_recordset(v_late) AS l(hold uuid, amount bigint)
            JOIN billing_reservation r ON r.id = l.hold CROSS JOIN LATERAL unnest(r.window_ids) AS x(window_id) GROUP BY x.window_id) d
   WHERE w.id = d.window_id;
  PERFORM billing_book(v_late, p_now);
END $$;

-- Marks legs whose first byte is about to leave, so that a crash charges only what may have been sent. Items: {id, leg}.
CREATE OR REPLACE FUNCTION billing_mark_sent(p_batch jsonb) RETURNS TABLE (item int, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM billing_reservation r WHERE r.id IN (SELECT (i ->> 'id')::uuid FROM jsonb_array_elements(p_batch) i) ORDER BY r.id FOR UPDATE;
  UPDATE billing_reservation r SET sent = r.sent | m.legs
    FROM (SELECT (i ->> 'id')::uuid AS id, bit_or(1::bigint << (i ->> 'leg')::int) AS legs FROM jsonb_array_elements(p_batch) i GROUP BY 1) m
   WHERE r.id = m.id AND r.state = 'open';
  RETURN QUERY SELECT i.ord::int, CASE WHEN r.state = 'open' THEN 'marked' ELSE 'closed' END
    FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord) LEFT JOIN billing_reservation r ON r.id = (i.value ->> 'id')::uuid ORDER BY 1;
END $$;
REVOKE ALL ON FUNCTION billing_settle(jsonb), billing_mark_sent(jsonb), billing_book(jsonb, timestamptz), billing_move_windows(jsonb),
  billing_lock_holds(uuid[]), billing_settle_late(jsonb, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_settle(jsonb), billing_mark_sent(jsonb) TO {app_role};
