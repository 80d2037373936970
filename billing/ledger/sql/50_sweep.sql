-- Closes holds whose owner is gone: the legs that may have been sent are assumed at their bound, the others cost nothing.
-- A hold that expired is never simply released, since the provider may have billed. Any number of copies may run.
-- p_dead: owners known to be gone, whose holds need not expire first. Beside them, owners who were alive by their own word and have said
-- nothing for too long (LedgerOwner) are gone; not judged just after the database came up, when nobody could say anything.
CREATE OR REPLACE FUNCTION billing_sweep(p_limit int, p_dead text[] DEFAULT '{}') RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET lock_timeout = '5s' AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_dead text[] := p_dead || ARRAY(SELECT o.name::text FROM billing_ledgerowner o
                                    WHERE o.alive_until < v_now AND pg_postmaster_start_time() < v_now - interval '1 minute');
  v_ids uuid[] := ARRAY(SELECT r.id FROM billing_reservation r WHERE r.state = 'open' AND (r.expires_at < v_now OR r.owner = ANY (v_dead))
                         ORDER BY r.expires_at LIMIT p_limit);
  v_holds uuid[]; v_actual bigint[]; v_none bigint[]; v_entries jsonb[];
BEGIN
  IF cardinality(v_ids) = 0 THEN
    DELETE FROM billing_ledgerowner o WHERE o.alive_until < v_now - interval '1 hour'
       AND NOT EXISTS (SELECT 1 FROM billing_reservation r WHERE r.owner = o.name AND r.state = 'open');
    RETURN 0;
  END IF;
  PERFORM billing_lock_holds(v_ids);
  SELECT array_agg(r.id), array_agg(l.actual), array_agg(0::bigint), array_agg(l.entries) INTO v_holds, v_actual, v_none, v_entries
    FROM billing_reservation r CROSS JOIN LATERAL (
      SELECT coalesce(sum((g.value ->> 'amount')::bigint), 0)::bigint AS actual,
             jsonb_agg(g.value || jsonb_build_object('leg', g.ord - 1, 'kind', 'assumed', 'outcome', 'unknown')) AS entries
        FROM jsonb_array_elements(r.legs) WITH ORDINALITY AS g(value, ord) WHERE r.sent & (1::bigint << (g.ord - 1)::int) <> 0) l
   WHERE r.id = ANY (v_ids) AND r.state = 'open' AND (r.expires_at < v_now OR r.owner = ANY (v_dead));
  IF v_holds IS NULL THEN
    RETURN 0;
  END IF;
  UPDATE billing_reservation r SET state = 'assumed', actual_nusd = c.actual, closed_at = v_now
    FROM unnest(v_holds, v_actual) AS c(id, actual) WHERE r.id = c.id;
  PERFORM billing_lock_windows_of(v_holds);
  PERFORM billing_move_windows(v_holds, v_actual, v_none, v_now);
  PERFORM billing_book(v_holds, v_entries, v_now);
  RETURN cardinality(v_holds);
END $$;
REVOKE ALL ON FUNCTION billing_sweep(int, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_sweep(int, text[]) TO {app_role};

-- The owners of open holds, over all tenants: names of processes, nothing of anybody's business.
CREATE OR REPLACE FUNCTION billing_open_owners() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
  SELECT DISTINCT owner::text FROM billing_reservation WHERE state = 'open'
$$;
REVOKE ALL ON FUNCTION billing_open_owners() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_open_owners() TO {app_role};
