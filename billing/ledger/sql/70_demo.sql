-- Demos: organisations in which everything is made up. The two doors below are the only ways to write what was never spent, and to delete what
-- is booked. Both take no tenant: they act on the one of the scope, and refuse it unless it is a demo, which it was made as (tenants/sql/60_demos.sql).
CREATE OR REPLACE FUNCTION billing_demo_of_scope() RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_tenant uuid;
BEGIN
  SELECT t.id INTO v_tenant FROM tenants_tenant t
   WHERE t.id = nullif(current_setting('app.tenant_id', true), '')::uuid AND t.is_demo FOR NO KEY UPDATE;  -- filled and deleted one after the other
  IF v_tenant IS NULL THEN
    RAISE EXCEPTION 'this is no demo: what is booked was spent, and stays' USING ERRCODE = 'CF006';
  END IF;
  RETURN v_tenant;
END $$;

-- Writes the past of a demo: windows, the marks they passed, closed holds and their entries; once, and nothing that is yet to come.
CREATE OR REPLACE FUNCTION billing_fill_demo(p_windows jsonb, p_marks jsonb, p_holds jsonb, p_entries jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_tenant uuid := billing_demo_of_scope(); v_ids bigint[];
BEGIN
  IF EXISTS (SELECT 1 FROM billing_reservation r WHERE r.tenant_id = v_tenant) THEN
    RAISE EXCEPTION 'this demo is filled already' USING ERRCODE = 'CF006';
  END IF;
  -- Windows are named by their place, from 0. Their ids are drawn here: chosen ones could be those that others will draw.
  v_ids := ARRAY(SELECT nextval(pg_get_serial_sequence('billing_budgetwindow', 'id')) FROM generate_series(1, jsonb_array_length(p_windows)));
  INSERT INTO billing_budgetwindow (id, tenant_id, budget_id, subject, start_at, end_at, limit_nusd, cap_nusd, cap_high_nusd, opening_nusd,
                                    spent_nusd, held_nusd, overrun_nusd, next_mark_nusd)
  SELECT v_ids[w.place + 1], v_tenant, w.budget_id, w.subject, w.start_at, w.end_at, w.limit_nusd, w.cap_nusd, w.cap_nusd, 0, w.spent_nusd, 0, 0,
         w.next_mark_nusd
    FROM jsonb_to_recordset(p_windows) AS w(place int, budget_id uuid, subject text, start_at timestamptz, end_at timestamptz, limit_nusd bigint,
           cap_nusd bigint, spent_nusd bigint, next_mark_nusd bigint);
  -- Of a window that is over nobody is told any more.
  INSERT INTO billing_budgetmark (id, tenant_id, window_id, percent, spent_nusd, limit_nusd, reached_at, announced_at)
  SELECT uuidv7(), v_tenant, w.id, m.percent, m.spent_nusd, w.limit_nusd, m.reached_at, CASE WHEN w.end_at <= clock_timestamp() THEN m.reached_at END
    FROM jsonb_to_recordset(p_marks) AS m(place int, percent smallint, spent_nusd bigint, reached_at timestamptz)
    JOIN billing_budgetwindow w ON w.id = v_ids[m.place + 1] AND w.tenant_id = v_tenant;
  INSERT INTO billing_reservation (id, tenant_id, state, owner, end_user_id, api_key_id, labels, legs, sent, window_ids, amount_nusd, actual_nusd,
                                   created_at, expires_at, closed_at)
  SELECT h.id, v_tenant, h.state, 'demo', h.end_user_id, h.api_key_id, h.labels, h.legs, h.sent,
         ARRAY(SELECT coalesce(v_ids[p.place + 1], 0) FROM unnest(h.places) p(place) ORDER BY 1), h.amount_nusd, h.actual_nusd,
         h.created_at, h.expires_at, h.closed_at
    FROM jsonb_to_recordset(p_holds) AS h(id uuid, state text, end_user_id uuid, api_key_id uuid, labels jsonb, legs jsonb, sent bigint,
           places int[], amount_nusd bigint, actual_nusd bigint, created_at timestamptz, expires_at timestamptz, closed_at timestamptz);
  INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id,
    end_user_id, api_key_id, tier, domain, preset, tags, actor, reason, reference, occurred_at, occurred_on, booked_at)
  SELECT uuidv7(), v_tenant, e.kind, r.id, e.leg, 1, e.amount_nusd, e.step, e.outcome, e.provider, e.model, e.price_version, e.input_tokens, 0, 0,
         e.output_tokens, 0, e.is_unverified, e.provider_request_id, r.end_user_id, r.api_key_id, e.tier, e.domain, e.preset, e.tags, '', '', '',
         r.created_at, e.occurred_on, r.closed_at
    FROM jsonb_to_recordset(p_entries) AS e(reservation_id uuid, kind text, leg smallint, amount_nusd bigint, step text, outcome text, provider text,
           model text, price_version text, input_tokens bigint, output_tokens bigint, is_unverified boolean, provider_request_id text, tier text,
           domain text, preset text, tags text[], occurred_on date)
    JOIN billing_reservation r ON r.id = e.reservation_id AND r.tenant_id = v_tenant;
  IF EXISTS (SELECT 1 FROM billing_reservation r WHERE r.tenant_id = v_tenant AND (r.state = 'open' OR r.closed_at > clock_timestamp()))
     OR EXISTS (SELECT 1 FROM billing_reservation r CROSS JOIN LATERAL unnest(r.window_ids) x(id)
                 WHERE r.tenant_id = v_tenant AND NOT EXISTS (SELECT 1 FROM billing_budgetwindow w WHERE w.id = x.id AND w.tenant_id = v_tenant)) THEN
    RAISE EXCEPTION 'a demo is made of calls that are over, in windows of its own' USING ERRCODE = 'CF006';
  END IF;
END $$;

-- Deletes a demo with all that belongs to it. Where anything was held in it for a real call it stays, whoever asks.
CREATE OR REPLACE FUNCTION billing_delete_demo() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_tenant uuid := billing_demo_of_scope(); v_table regclass;
BEGIN
  IF EXISTS (SELECT 1 FROM billing_reservation r WHERE r.tenant_id = v_tenant AND r.owner <> 'demo') THEN
    RAISE EXCEPTION 'money was held in this demo for a real call: it stays booked' USING ERRCODE = 'CF006';
  END IF;
  FOR v_table IN
    SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
     ORDER BY c.relname = 'tenants_auditentry', c.relname  -- the log last: what is deleted is noted there
  LOOP
    EXECUTE format('DELETE FROM %s WHERE tenant_id = $1', v_table) USING v_tenant;
  END LOOP;
  DELETE FROM tenants_tenant t WHERE t.id = v_tenant;
END $$;
REVOKE ALL ON FUNCTION billing_demo_of_scope(), billing_fill_demo(jsonb, jsonb, jsonb, jsonb), billing_delete_demo() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_fill_demo(jsonb, jsonb, jsonb, jsonb), billing_delete_demo() TO {app_role};
