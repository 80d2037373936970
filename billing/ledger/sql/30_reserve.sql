-- Decides a batch of holds. Each item: {id, tenant, zone, owner, ttl_s, end_user, end_user_name, api_key, tier, tags, labels,
-- unpriced, rungs: [{amount, legs}]}, dearest rung first. Answers one row an item, in their order:
--   granted   {"rung": 0-based, "remaining": nano-USD or null, "warned": [...]}
--   refused   {"refused": "budget" | "unpriced", "windows": [the arithmetic of each window that applies]}
--
-- Locks first, in one order, in a statement of its own; reads afterwards, with a fresh snapshot; writes last. Locking and
-- updating in one statement checks rows of the old snapshot (spurious errors), and its repair admits holds that hold nothing.
CREATE OR REPLACE FUNCTION billing_wanted_windows(p_batch jsonb, p_now timestamptz)
RETURNS TABLE (item int, budget_id uuid, subject text, period text, budget_action text, limit_nusd bigint, zone text, tenant_id uuid,
               window_id bigint, window_start timestamptz, window_end timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  WITH items AS MATERIALIZED (
    SELECT i.ord::int AS item, (i.value ->> 'tenant')::uuid AS tenant_id, i.value ->> 'zone' AS zone, i.value ->> 'end_user' AS end_user,
           i.value ->> 'end_user_name' AS end_user_name, i.value ->> 'api_key' AS api_key, i.value ->> 'tier' AS tier, i.value -> 'tags' AS tags
      FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
  ), candidates AS (
    SELECT i.item, i.tenant_id, i.zone, c.scope, c.subject, c.whose
      FROM items i CROSS JOIN LATERAL (
        SELECT 'tenant' AS scope, '' AS subject, '' AS whose
        UNION ALL SELECT 'api_key', i.api_key, '' WHERE i.api_key IS NOT NULL
        UNION ALL SELECT 'tier', i.tier, i.end_user WHERE i.end_user IS NOT NULL AND i.tier IS NOT NULL
        UNION ALL SELECT 'end_user', i.end_user_name, i.end_user WHERE i.end_user IS NOT NULL
        UNION ALL SELECT 'end_user', '', i.end_user WHERE i.end_user IS NOT NULL
        UNION ALL SELECT 'tag', t.value, '' FROM jsonb_array_elements_text(coalesce(i.tags, '[]')) t
      ) c
  )
  SELECT c.item, b.id, c.whose, b.period, b.action, b.limit_nusd, c.zone, c.tenant_id, w.id, w.start_at, w.end_at
    FROM candidates c
    JOIN billing_budget b ON b.tenant_id = c.tenant_id AND b.scope = c.scope AND b.subject = c.subject AND NOT b.is_paused
     AND b.ended_at IS NULL
    LEFT JOIN LATERAL (
      SELECT n.id, n.start_at, n.end_at FROM billing_budgetwindow n
       WHERE n.budget_id = b.id AND n.subject = c.whose ORDER BY n.start_at DESC LIMIT 1
    ) w ON true
   -- A budget of one end user takes the place of the one that each end user has for the same period.
   WHERE NOT (c.scope = 'end_user' AND c.subject = '' AND EXISTS (
      SELECT 1 FROM items i JOIN billing_budget o ON o.tenant_id = i.tenant_id AND o.scope = 'end_user' AND o.subject = i.end_user_name
       WHERE i.item = c.item AND o.subject <> '' AND o.period = b.period AND NOT o.is_paused AND o.ended_at IS NULL))
$$;

-- What was spent since p_start, before the budget was set: a budget of today knows of this morning. 0 for older budgets.
CREATE OR REPLACE FUNCTION billing_spent_before(p_budget uuid, p_subject text, p_start timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(sum(e.amount_nusd) FILTER (WHERE e.kind <> 'overrun'), 0)::bigint
    FROM billing_budget b JOIN billing_costentry e ON e.tenant_id = b.tenant_id
   WHERE b.id = p_budget AND b.created_at > p_start AND e.occurred_at >= p_start AND e.occurred_at < b.created_at
     AND (p_subject = '' OR e.end_user_id = p_subject::uuid)
     AND (b.scope <> 'api_key' OR e.api_key_id = b.subject::uuid) AND (b.scope <> 'tag' OR b.subject = ANY (e.tags))
$$;

CREATE OR REPLACE FUNCTION billing_reserve(p_batch jsonb) RETURNS TABLE (item int, answer jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_count int := jsonb_array_length(p_batch);
  v_items int[]; v_of bigint[];                   -- pairs: item, window
  v_hard boolean[];                               -- per pair: does the budget block?
  v_at int[];                                     -- per pair: position of its window in v_ids
  v_ids bigint[]; v_free bigint[]; v_held bigint[];  -- per window, in id order: what is left (null: only warns), what this batch takes
  v_rungs int[] := array_fill(NULL::int, ARRAY[v_count]);
  v_left bigint[] := array_fill(NULL::bigint, ARRAY[v_count]);
  v_pair int := 1; v_first int; v_last int; v_smallest bigint; v_block bigint; v_best bigint; v_amount bigint; v_rung jsonb; v_number int;
BEGIN
  -- 1. Open the windows that are missing. In one order, so that two batches cannot wait for each other.
  INSERT INTO billing_budgetwindow (tenant_id, budget_id, subject, start_at, end_at, limit_nusd, cap_nusd, cap_high_nusd,
                                    opening_nusd, spent_nusd, held_nusd, overrun_nusd)
  SELECT DISTINCT ON (m.budget_id, m.subject) m.tenant_id, m.budget_id, m.subject,
         greatest(s.start_at, m.window_end),  -- never older than, nor overlapping, the newest window
         s.end_at, m.limit_nusd, m.cap, greatest(m.cap, CASE WHEN m.cap IS NOT NULL THEN o.spent END), o.spent, o.spent, 0, 0
    FROM (SELECT w.*, CASE WHEN w.budget_action = 'warn' THEN NULL ELSE w.limit_nusd END AS cap
            FROM billing_wanted_windows(p_batch, v_now) w WHERE w.window_id IS NULL OR w.window_end <= v_now) m
   CROSS JOIN LATERAL billing_window_bounds(m.period, m.zone, v_now) s
   CROSS JOIN LATERAL (SELECT CASE WHEN m.window_id IS NULL THEN billing_spent_before(m.budget_id, m.subject, s.start_at) ELSE 0 END AS spent) o
   ORDER BY m.budget_id, m.subject
  ON CONFLICT (budget_id, subject, start_at) DO NOTHING;

  SELECT array_agg(w.item ORDER BY w.item, w.window_id), array_agg(w.window_id ORDER BY w.item, w.window_id),
         array_agg(w.budget_action = 'block' ORDER BY w.item, w.window_id)
    INTO v_items, v_of, v_hard FROM billing_wanted_windows(p_batch, v_now) w;
  IF array_position(v_of, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'a budget window is missing' USING ERRCODE = 'CF001';
  END IF;

  -- 2. Lock, in id order.
  PERFORM 1 FROM billing_budgetwindow w WHERE w.id = ANY (v_of) ORDER BY w.id FOR UPDATE;

  -- 3. A limit that was changed holds from this admission on; the highest one stays remembered.
  UPDATE billing_budgetwindow w
     SET limit_nusd = b.limit_nusd, cap_nusd = CASE WHEN b.action = 'warn' THEN NULL ELSE b.limit_nusd END,
         cap_high_nusd = CASE WHEN b.action = 'warn' THEN NULL ELSE greatest(w.cap_high_nusd, b.limit_nusd, w.spent_nusd + w.held_nusd) END
    FROM billing_budget b
   WHERE w.id = ANY (v_of) AND b.id = w.budget_id
     AND (w.limit_nusd <> b.limit_nusd OR (w.cap_nusd IS NULL) <> (b.action = 'warn'));

  -- 4. Read what is free, then decide one by one.
  SELECT array_agg(w.id ORDER BY w.id), array_agg(w.cap_nusd - w.spent_nusd - w.held_nusd ORDER BY w.id), array_agg(0::bigint)
    INTO v_ids, v_free, v_held FROM billing_budgetwindow w WHERE w.id = ANY (v_of);
  SELECT array_agg(x.position::int ORDER BY p.ord) INTO v_at
    FROM unnest(v_of) WITH ORDINALITY AS p(id, ord) JOIN unnest(v_ids) WITH ORDINALITY AS x(id, position) USING (id);

  FOR i IN 1 .. v_count LOOP
    v_first := v_pair; v_smallest := NULL; v_block := NULL;
    WHILE v_pair <= coalesce(cardinality(v_items), 0) AND v_items[v_pair] = i LOOP
      v_smallest := least(v_smallest, v_free[v_at[v_pair]]);  -- least() passes over nulls
      v_block := least(v_block, CASE WHEN v_hard[v_pair] THEN v_free[v_at[v_pair]] END);
      v_pair := v_pair + 1;
    END LOOP;
    v_last := v_pair - 1;
    CONTINUE WHEN v_smallest IS NOT NULL AND (p_batch -> (i - 1) ->> 'unpriced')::boolean;
    v_best := (p_batch -> (i - 1) -> 'rungs' -> 0 ->> 'amount')::bigint;
    CONTINUE WHEN v_block IS NOT NULL AND v_best > v_block;  -- only budgets that degrade are met by a cheaper rung
    v_number := 0;
    FOR v_rung IN SELECT value FROM jsonb_array_elements(p_batch -> (i - 1) -> 'rungs') LOOP
      v_amount := (v_rung ->> 'amount')::bigint;
      IF v_smallest IS NULL OR v_amount <= v_smallest THEN
        v_rungs[i] := v_number; v_left[i] := v_smallest - v_amount;
        FOR j IN v_first .. v_last LOOP
          v_free[v_at[j]] := v_free[v_at[j]] - v_amount;
          v_held[v_at[j]] := v_held[v_at[j]] + v_amount;
        END LOOP;
        EXIT;
      END IF;
      v_number := v_number + 1;
    END LOOP;
  END LOOP;

  -- 5. Write: one update a window, one row a hold.
  UPDATE billing_budgetwindow w SET held_nusd = w.held_nusd + d.amount
    FROM unnest(v_ids, v_held) AS d(id, amount) WHERE w.id = d.id AND d.amount > 0;
  INSERT INTO billing_reservation (id, tenant_id, state, owner, end_user_id, api_key_id, labels, legs, sent, window_ids, amount_nusd,
                                   created_at, expires_at)
  SELECT (i.value ->> 'id')::uuid, (i.value ->> 'tenant')::uuid, 'open', i.value ->> 'owner', (i.value ->> 'end_user')::uuid,
         (i.value ->> 'api_key')::uuid, i.value -> 'labels', r.rung -> 'legs', 1,
         coalesce((SELECT array_agg(v_of[k]) FROM generate_subscripts(v_of, 1) k WHERE v_items[k] = i.ord), '{}'),
         (r.rung ->> 'amount')::bigint, v_now, v_now + make_interval(secs => (i.value ->> 'ttl_s')::int)
    FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
    CROSS JOIN LATERAL (SELECT i.value -> 'rungs' -> v_rungs[i.ord] AS rung) r
   WHERE v_rungs[i.ord] IS NOT NULL;

  RETURN QUERY
  SELECT n, CASE
      WHEN v_rungs[n] IS NOT NULL THEN jsonb_build_object('rung', v_rungs[n], 'remaining', v_left[n], 'warned',
        (SELECT jsonb_agg(billing_window_facts(v_of[k])) FROM generate_subscripts(v_of, 1) k
          WHERE v_items[k] = n AND v_free[v_at[k]] IS NULL AND billing_window_is_over(v_of[k])))
      ELSE jsonb_build_object('refused', CASE WHEN (p_batch -> (n - 1) ->> 'unpriced')::boolean THEN 'unpriced' ELSE 'budget' END, 'windows',
        (SELECT jsonb_agg(billing_window_facts(v_of[k])) FROM generate_subscripts(v_of, 1) k WHERE v_items[k] = n))
    END
    FROM generate_series(1, v_count) n;
END $$;

-- The arithmetic of a window, for the explanation of a refusal and for warnings.
CREATE OR REPLACE FUNCTION billing_window_facts(p_window bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT jsonb_build_object('budget', b.id, 'name', b.name, 'scope', b.scope, 'subject', b.subject, 'period', b.period, 'action', b.action,
                            'limit_nusd', w.limit_nusd, 'cap_nusd', w.cap_nusd, 'spent_nusd', w.spent_nusd, 'held_nusd', w.held_nusd,
                            'start_at', w.start_at, 'end_at', w.end_at)
    FROM billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id WHERE w.id = p_window
$$;
CREATE OR REPLACE FUNCTION billing_window_is_over(p_window bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT w.spent_nusd + w.held_nusd > w.limit_nusd FROM billing_budgetwindow w WHERE w.id = p_window
$$;
REVOKE ALL ON FUNCTION billing_reserve(jsonb), billing_wanted_windows(jsonb, timestamptz), billing_spent_before(uuid, text, timestamptz), billing_window_facts(bigint), billing_window_is_over(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_reserve(jsonb) TO {app_role};
