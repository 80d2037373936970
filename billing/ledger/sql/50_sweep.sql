-- Closes holds whose owner is gone: the legs that may have been sent are assumed at their bound, the others cost nothing.
-- A hold that expired is never simply released, since the provider may have billed. Any number of copies may run.
-- p_dead: owners known to be gone, whose holds need not expire first.
CREATE OR REPLACE FUNCTION billing_sweep(p_limit int, p_dead text[] DEFAULT '{}') RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_ids uuid[] := ARRAY(SELECT r.id FROM billing_reservation r WHERE r.state = 'open' AND (r.expires_at < v_now OR r.owner = ANY (p_dead))
                         ORDER BY r.expires_at LIMIT p_limit);
  v_closed jsonb;
BEGIN
  IF cardinality(v_ids) = 0 THEN
    RETURN 0;
  END IF;
  PERFORM billing_lock_holds(v_ids);
  SELECT jsonb_agg(jsonb_build_object('id', r.id, 'actual', l.actual, 'overrun', 0, 'entries', l.entries)) INTO v_closed
    FROM billing_reservation r CROSS JOIN LATERAL (
      SELECT coalesce(sum((g.value ->> 'amount')::bigint), 0) AS actual,
             jsonb_agg(g.value || jsonb_build_object('hold', r.id, 'leg', g.ord - 1, 'kind', 'assumed', 'outcome', 'unknown')) AS entries
        FROM jsonb_array_elements(r.legs) WITH ORDINALITY AS g(value, ord) WHERE r.sent & (1::bigint << (g.ord - 1)::int) <> 0) l
   WHERE r.id = ANY (v_ids) AND r.state = 'open' AND (r.expires_at < v_now OR r.owner = ANY (p_dead));
  IF v_closed IS NULL THEN
    RETURN 0;
  END IF;
  UPDATE billing_reservation r SET state = 'assumed', actual_nusd = c.actual, closed_at = v_now
    FROM jsonb_to_recordset(v_closed) AS c(id uuid, actual bigint) WHERE r.id = c.id;
  PERFORM billing_move_windows(v_closed);
  PERFORM billing_book((SELECT jsonb_agg(e.value) FROM jsonb_array_elements(v_closed) c CROSS JOIN LATERAL jsonb_array_elements(c.value -> 'entries') e), v_now);
  RETURN jsonb_array_length(v_closed);
END $$;
REVOKE ALL ON FUNCTION billing_sweep(int, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_sweep(int, text[]) TO {app_role};

-- The owners of open holds, over all tenants: names of processes, nothing of anybody's business.
CREATE OR REPLACE FUNCTION billing_open_owners() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT DISTINCT owner::text FROM billing_reservation WHERE state = 'open'
$$;
REVOKE ALL ON FUNCTION billing_open_owners() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_open_owners() TO {app_role};
