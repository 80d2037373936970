-- Decides a batch of holds. Each item: {id, tenant, zone, owner, ttl_s, end_user, end_user_name, api_key, tier, tags, labels,
-- unpriced, rungs: [{amount, legs}], key (25_keys.sql), rates and tokens (27_rates.sql), most_open (28_open_calls.sql)}, dearest rung
-- first. Answers one row an item, in their order, each with "rates" where the item has rate limits:
--   granted   {"rung": 0-based, "remaining": nano-USD or null, "warned": [...]}
--   refused   {"refused": "repeated"}, when the idempotency key belongs to another call, {"refused": "rate" | "open"}, or
--             {"refused": "budget" | "unpriced" | "rewound", "windows": [the arithmetic of each window that applies]}
--
-- Locks first, in one order, in a statement of its own; reads afterwards, with a fresh snapshot; writes last. Locking and
-- updating in one statement checks rows of the old snapshot (spurious errors), and its repair admits holds that hold nothing.
--
-- Plans are kept for the life of a connection, and the first ones are made while the tables are empty: so the functions that
-- carry calls are told to go by the indexes whatever the statistics say, and not to plan anew for each size of batch (which
-- took more than half of the time of a small one).

-- The spend at which a soft mark is passed: at least one nano-USD, so that a limit of 0 is not passed by nothing.
CREATE OR REPLACE FUNCTION billing_mark_nusd(p_limit bigint, p_percent smallint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$ SELECT greatest(1, ceil(p_limit::numeric * p_percent / 100))::bigint $$;

-- Other marks: the running windows look at theirs again when they next spend.
CREATE OR REPLACE FUNCTION billing_marks_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM billing_budgetwindow w WHERE w.budget_id = NEW.id AND w.end_at > clock_timestamp() ORDER BY w.id FOR UPDATE;
  UPDATE billing_budgetwindow w SET next_mark_nusd = 0 WHERE w.budget_id = NEW.id AND w.end_at > clock_timestamp();
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER marks_changed AFTER UPDATE OF soft_marks ON billing_budget FOR EACH ROW
  WHEN (OLD.soft_marks IS DISTINCT FROM NEW.soft_marks) EXECUTE FUNCTION billing_marks_changed();

-- The budgets that bind each item, with the newest window of each.
DROP FUNCTION IF EXISTS billing_wanted_windows(jsonb, timestamptz);  -- its columns may have changed
CREATE FUNCTION billing_wanted_windows(p_batch jsonb, p_now timestamptz)
RETURNS TABLE (item int, tenant_id uuid, budget_id uuid, subject text, period text, budget_action text, limit_nusd bigint, zone text,
               window_id bigint, window_end timestamptz, is_missing boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  WITH items AS MATERIALIZED (
    SELECT i.ord::int AS item, (i.value ->> 'tenant')::uuid AS tenant_id, i.value ->> 'zone' AS zone, i.value ->> 'end_user' AS end_user,
           nullif(i.value ->> 'end_user_name', '') AS end_user_name, i.value ->> 'api_key' AS api_key, nullif(i.value ->> 'tier', '') AS tier,
           i.value -> 'tags' AS tags
      FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
  ), candidates AS (
    SELECT i.item, i.tenant_id, i.zone, c.scope, c.subject, c.whose
      FROM items i CROSS JOIN LATERAL (
        VALUES ('tenant', '', ''), ('api_key', i.api_key, ''), ('tier', i.tier, i.end_user), ('end_user', i.end_user_name, i.end_user),
               ('end_user', '', i.end_user), ('end_user', i.end_user, i.end_user)  -- the last: of a person who was erased, and came back
      ) c(scope, subject, whose) WHERE c.subject IS NOT NULL AND c.whose IS NOT NULL
    UNION ALL
    SELECT i.item, i.tenant_id, i.zone, 'tag', t.value, ''
      FROM items i CROSS JOIN LATERAL (SELECT DISTINCT jsonb_array_elements_text(i.tags)) t(value)
  )
  SELECT k.item, k.tenant_id, k.budget_id, k.whose, k.period, k.action, k.limit_nusd, k.zone, w.id, w.end_at,
         w.id IS NULL OR w.end_at <= p_now
    FROM (SELECT c.item, c.tenant_id, b.id AS budget_id, c.scope, c.subject, c.whose, b.period, b.action, b.limit_nusd, c.zone,
                 bool_or(c.scope = 'end_user' AND c.subject <> '') OVER (PARTITION BY c.item, b.period) AS is_own
            FROM candidates c
           CROSS JOIN LATERAL (  -- one look-up a candidate: OFFSET 0 keeps the planner from reading all budgets while they are few
             SELECT o.id, o.period, o.action, CASE WHEN o.override_until > p_now THEN o.override_limit_nusd ELSE o.limit_nusd END AS limit_nusd
               FROM billing_budget o
              WHERE o.tenant_id = c.tenant_id AND o.scope = c.scope AND o.subject = c.subject AND o.ended_at IS NULL AND NOT o.is_paused OFFSET 0
           ) b) k
    LEFT JOIN LATERAL (
      SELECT n.id, n.end_at FROM billing_budgetwindow n WHERE n.budget_id = k.budget_id AND n.subject = k.whose ORDER BY n.start_at DESC LIMIT 1
    ) w ON true
   -- A budget of one end user takes the place of the one that each end user has for the same period.
   WHERE NOT (k.scope = 'end_user' AND k.subject = '' AND k.is_own)
$$;

-- What was spent in a window that begins at p_start, before the budget was set: a budget of today knows of this morning. 0 for older
-- budgets. From the day sums, which are found by their key however many entries there are; so overruns count too.
DROP FUNCTION IF EXISTS billing_spent_before(uuid, text, timestamptz);  -- it takes the zone now
CREATE OR REPLACE FUNCTION billing_spent_before(p_budget uuid, p_subject text, p_start timestamptz, p_zone text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_budget billing_budget%ROWTYPE;
  v_first date;
  v_sum bigint;
BEGIN
  SELECT * INTO v_budget FROM billing_budget b WHERE b.id = p_budget;
  IF v_budget.created_at <= p_start THEN
    RETURN 0;
  END IF;
  SELECT greatest((p_start AT TIME ZONE p_zone)::date, (t.created_at AT TIME ZONE 'UTC')::date - 1) INTO v_first
    FROM tenants_tenant t WHERE t.id = v_budget.tenant_id;
  SELECT sum(d.cost_nusd) INTO v_sum
    FROM generate_series(v_first, (v_budget.created_at AT TIME ZONE 'UTC')::date + 1, interval '1 day') AS g(day)
    JOIN billing_dayrollup d ON d.tenant_id = v_budget.tenant_id AND d.day = g.day::date
     AND d.dimension = CASE WHEN p_subject <> '' THEN 'end_user' WHEN v_budget.scope = 'tenant' THEN 'all' ELSE v_budget.scope END
     AND d.value = CASE WHEN p_subject <> '' THEN p_subject WHEN v_budget.scope = 'tenant' THEN '' ELSE v_budget.subject END;
  RETURN greatest(coalesce(v_sum, 0), 0);
END $$;

-- Opens the windows that a batch misses. One at a time for each budget: two callers who differ about the tenant's time zone, or who
-- stand on either side of midnight, would open windows that overlap.
CREATE OR REPLACE FUNCTION billing_open_windows(p_batch jsonb, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT hashtextextended(w.budget_id::text, 0) AS key
            FROM billing_wanted_windows(p_batch, p_now) w WHERE w.is_missing ORDER BY 1) k;
  INSERT INTO billing_budgetwindow (tenant_id, budget_id, subject, start_at, end_at, limit_nusd, cap_nusd, cap_high_nusd,
                                    opening_nusd, spent_nusd, held_nusd, overrun_nusd, next_mark_nusd)
  SELECT m.tenant_id, m.budget_id, m.subject, greatest(s.start_at, m.window_end),  -- never older than, nor overlapping, the newest window
         s.end_at, m.limit_nusd, m.cap, CASE WHEN m.cap IS NOT NULL THEN greatest(m.cap, o.spent) END, o.spent, o.spent, 0, 0,
         (SELECT min(billing_mark_nusd(m.limit_nusd, k)) FROM billing_budget b CROSS JOIN LATERAL unnest(b.soft_marks) k WHERE b.id = m.budget_id)
    FROM (SELECT DISTINCT ON (w.budget_id, w.subject) w.*, CASE WHEN w.budget_action = 'warn' THEN NULL ELSE w.limit_nusd END AS cap
            FROM billing_wanted_windows(p_batch, p_now) w WHERE w.is_missing ORDER BY w.budget_id, w.subject) m
   CROSS JOIN LATERAL billing_window_bounds(m.period, m.zone, p_now) s
   CROSS JOIN LATERAL (
     SELECT CASE WHEN m.window_id IS NULL THEN billing_spent_before(m.budget_id, m.subject, s.start_at, m.zone) ELSE 0 END AS spent
   ) o
   ORDER BY m.budget_id, m.subject
  ON CONFLICT (budget_id, subject, start_at) DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION billing_reserve(p_batch jsonb) RETURNS TABLE (item int, answer jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET lock_timeout = '5s' AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_count int := jsonb_array_length(p_batch);
  v_items int[]; v_of bigint[];                      -- pairs of item and window, by item
  v_hard boolean[];                                  -- per pair: does the budget block?
  v_at int[];                                        -- per pair: position of its window in v_ids
  v_missing boolean;
  v_ids bigint[]; v_free bigint[]; v_held bigint[];  -- per window, in id order: what is left (null: only warns), what this batch takes
  v_from int[] := array_fill(1, ARRAY[v_count]); v_to int[] := array_fill(0, ARRAY[v_count]);  -- per item: its pairs
  v_rungs int[] := array_fill(NULL::int, ARRAY[v_count]);
  v_left bigint[] := array_fill(NULL::bigint, ARRAY[v_count]);
  v_rewound boolean := (SELECT s.rewound_at IS NOT NULL FROM billing_ledgerstate s);
  v_repeated int[] := '{}';                           -- items whose idempotency key belongs to another call
  v_limited int[] := '{}'; v_crowded int[] := '{}';   -- items that a rate limit refuses, or whose end user has too many calls in flight
  v_barred int[]; v_rates jsonb;                      -- all of these items; per item that has rate limits: how they stand
  v_pair int := 1; v_last int; v_smallest bigint; v_block bigint; v_amount bigint; v_asked record; v_number int;
BEGIN
  -- 0. Keys before windows: a key may have to wait for another transaction, and whoever waits holds no window.
  IF jsonb_path_exists(p_batch, '$[*].key') THEN
    v_repeated := billing_claim_keys(p_batch, v_now);
  END IF;
  IF jsonb_path_exists(p_batch, '$[*].rates') THEN
    SELECT jsonb_object_agg(r.item, r.standing), coalesce(array_agg(r.item) FILTER (WHERE r.is_refused), '{}') INTO v_rates, v_limited
      FROM billing_take_rates(p_batch, v_repeated) r;
  END IF;
  IF jsonb_path_exists(p_batch, '$[*].most_open') THEN
    v_crowded := billing_too_many_open(p_batch, v_repeated || v_limited);
  END IF;
  v_barred := v_repeated || v_limited || v_crowded;

  -- 1. Which windows? Where some are missing they are opened, and all looked up again.
  FOR attempt IN 1 .. 2 LOOP
    SELECT array_agg(w.item), array_agg(w.window_id), array_agg(w.budget_action = 'block'), array_agg(w.position),
           coalesce(bool_or(w.is_missing), false)
      INTO v_items, v_of, v_hard, v_at, v_missing
      FROM (SELECT x.*, dense_rank() OVER (ORDER BY x.window_id)::int AS position FROM billing_wanted_windows(p_batch, v_now) x
             ORDER BY x.item, x.window_id) w;
    EXIT WHEN NOT v_missing;
    IF attempt = 2 THEN
      RAISE EXCEPTION 'a budget window is missing' USING ERRCODE = 'CF001';
    END IF;
    PERFORM billing_open_windows(p_batch, v_now);
  END LOOP;

  -- 2. Lock, in id order.
  PERFORM 1 FROM billing_budgetwindow w WHERE w.id = ANY (v_of) ORDER BY w.id FOR UPDATE;

  -- 3. A limit that was changed, or overridden for a while, holds from this admission on; the highest one stays remembered.
  UPDATE billing_budgetwindow w
     SET limit_nusd = n.limit_now, cap_nusd = n.cap,
         cap_high_nusd = CASE WHEN n.cap IS NOT NULL THEN greatest(w.cap_high_nusd, n.cap, w.spent_nusd + w.held_nusd) END, next_mark_nusd = 0
    FROM (SELECT l.*, CASE WHEN l.action <> 'warn' THEN l.limit_now END AS cap
            FROM (SELECT b.id, b.action, CASE WHEN b.override_until > v_now THEN b.override_limit_nusd ELSE b.limit_nusd END AS limit_now
                    FROM billing_budget b) l) n
   WHERE w.id = ANY (v_of) AND n.id = w.budget_id AND (w.limit_nusd <> n.limit_now OR (w.cap_nusd IS NULL) <> (n.cap IS NULL));

  -- 4. Read what is free, then decide one by one.
  SELECT array_agg(w.id), array_agg(w.free), array_agg(0::bigint) INTO v_ids, v_free, v_held
    FROM (SELECT n.id, n.cap_nusd - n.spent_nusd - n.held_nusd AS free FROM billing_budgetwindow n WHERE n.id = ANY (v_of) ORDER BY n.id) w;
  FOR v_asked IN
    SELECT i.ord::int AS item, i.value -> 'rungs' AS rungs, coalesce((i.value ->> 'unpriced')::boolean, false) AS unpriced
      FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord) ORDER BY i.ord
  LOOP
    v_from[v_asked.item] := v_pair; v_smallest := NULL; v_block := NULL;
    WHILE v_items[v_pair] = v_asked.item LOOP
      v_smallest := least(v_smallest, v_free[v_at[v_pair]]);  -- least() passes over nulls
      IF v_hard[v_pair] THEN
        v_block := least(v_block, v_free[v_at[v_pair]]);
      END IF;
      v_pair := v_pair + 1;
    END LOOP;
    v_last := v_pair - 1; v_to[v_asked.item] := v_last;
    CONTINUE WHEN v_asked.item = ANY (v_barred) OR (v_smallest IS NOT NULL AND v_asked.unpriced) OR (v_block IS NOT NULL AND v_rewound);
    -- Only budgets that degrade are met by a cheaper rung. What costs nothing passes a window whose limit was lowered below its spend.
    CONTINUE WHEN (v_asked.rungs -> 0 ->> 'amount')::bigint > greatest(v_block, CASE WHEN v_block IS NOT NULL THEN 0 END);
    v_smallest := greatest(v_smallest, CASE WHEN v_smallest IS NOT NULL THEN 0 END);
    FOR v_number IN 0 .. jsonb_array_length(v_asked.rungs) - 1 LOOP
      v_amount := (v_asked.rungs -> v_number ->> 'amount')::bigint;
      IF v_smallest IS NULL OR v_amount <= v_smallest THEN
        v_rungs[v_asked.item] := v_number; v_left[v_asked.item] := v_smallest - v_amount;
        FOR j IN v_from[v_asked.item] .. v_last LOOP
          v_free[v_at[j]] := v_free[v_at[j]] - v_amount;
          v_held[v_at[j]] := v_held[v_at[j]] + v_amount;
        END LOOP;
        EXIT;
      END IF;
    END LOOP;
  END LOOP;

  -- 5. Write: one update a window, one row a hold.
  UPDATE billing_budgetwindow w SET held_nusd = w.held_nusd + d.amount
    FROM unnest(v_ids, v_held) AS d(id, amount) WHERE w.id = d.id AND d.amount > 0;
  INSERT INTO billing_reservation (id, tenant_id, state, owner, end_user_id, api_key_id, labels, legs, sent, window_ids, amount_nusd,
                                   created_at, expires_at)
  SELECT (i.value ->> 'id')::uuid, (i.value ->> 'tenant')::uuid, 'open', i.value ->> 'owner', (i.value ->> 'end_user')::uuid,
         (i.value ->> 'api_key')::uuid, i.value -> 'labels', r.rung -> 'legs', 1, coalesce(v_of[v_from[i.ord] : v_to[i.ord]], '{}'),
         (r.rung ->> 'amount')::bigint, v_now, v_now + make_interval(secs => (i.value ->> 'ttl_s')::int)
    FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
    CROSS JOIN LATERAL (SELECT i.value -> 'rungs' -> v_rungs[i.ord] AS rung) r
   WHERE v_rungs[i.ord] IS NOT NULL;
  PERFORM billing_release_keys(p_batch, array_agg(i.ord::int)) FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
    WHERE v_rungs[i.ord] IS NULL AND i.value ? 'key' AND i.ord <> ALL (v_repeated) HAVING count(*) > 0;
  PERFORM billing_return_rates(p_batch, array_agg(r.item::int)) FROM jsonb_object_keys(v_rates) AS r(item)
    WHERE v_rungs[r.item::int] IS NULL AND r.item::int <> ALL (v_limited) HAVING count(*) > 0;

  RETURN QUERY
  SELECT n, CASE
      WHEN v_rungs[n] IS NOT NULL THEN jsonb_build_object('rung', v_rungs[n], 'remaining', v_left[n], 'warned',
        (SELECT jsonb_agg(billing_window_facts(v_of[k])) FROM generate_series(v_from[n], v_to[n]) k
          WHERE v_free[v_at[k]] IS NULL AND billing_window_is_over(v_of[k])))
      WHEN n = ANY (v_repeated) THEN '{"refused": "repeated"}'::jsonb
      WHEN n = ANY (v_limited) THEN '{"refused": "rate"}'::jsonb
      WHEN n = ANY (v_crowded) THEN '{"refused": "open"}'::jsonb
      ELSE jsonb_build_object('refused', CASE WHEN (p_batch -> (n - 1) ->> 'unpriced')::boolean THEN 'unpriced'
          WHEN v_rewound AND true = ANY (v_hard[v_from[n] : v_to[n]]) THEN 'rewound' ELSE 'budget' END, 'windows',
        (SELECT jsonb_agg(billing_window_facts(v_of[k])) FROM generate_series(v_from[n], v_to[n]) k))
    END || CASE WHEN v_rates ? n::text THEN jsonb_build_object('rates', v_rates -> n::text) ELSE '{}' END
    FROM generate_series(1, v_count) n ORDER BY n;
END $$;

-- The arithmetic of a window, for the explanation of a refusal and for warnings.
CREATE OR REPLACE FUNCTION billing_window_facts(p_window bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT jsonb_build_object('window', w.id, 'budget', b.id, 'name', b.name, 'scope', b.scope, 'subject', b.subject, 'period', b.period, 'action', b.action,
                            'limit_nusd', w.limit_nusd, 'cap_nusd', w.cap_nusd, 'spent_nusd', w.spent_nusd, 'held_nusd', w.held_nusd,
                            'start_at', w.start_at, 'end_at', w.end_at)
    FROM billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id WHERE w.id = p_window
$$;
CREATE OR REPLACE FUNCTION billing_window_is_over(p_window bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT w.spent_nusd + w.held_nusd > w.limit_nusd FROM billing_budgetwindow w WHERE w.id = p_window
$$;
REVOKE ALL ON FUNCTION billing_reserve(jsonb), billing_wanted_windows(jsonb, timestamptz), billing_open_windows(jsonb, timestamptz),
  billing_spent_before(uuid, text, timestamptz, text), billing_window_facts(bigint), billing_window_is_over(bigint),
  billing_mark_nusd(bigint, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_reserve(jsonb) TO {app_role};
