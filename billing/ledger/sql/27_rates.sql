-- Rate limits: so many requests and tokens a minute, for an API key or an end user. An item of billing_reserve may carry
-- "rates": [{name, subject, requests, tokens}] (a limit that is left out is none) and "tokens", what the call is estimated to take.
--
-- A bucket holds a minute's worth and refills all the time. It is written down as the instant at which it is full again: to take one of
-- n a minute moves that instant by 60/n seconds, and a call fits as long as it lies no further ahead than a minute. So a changed limit
-- needs nothing done, and a row whose instant is past says as much as no row. The table is unlogged: after a crash of the database every
-- bucket is full, which lets through a minute's worth at the most.
--
-- Buckets are locked after keys (a key may have to wait for another transaction, and whoever waits holds no busy bucket) and before
-- windows, in order of tenant, subject and unit, in one statement.

-- What the items of a batch ask of which bucket.
CREATE OR REPLACE FUNCTION billing_asked_rates(p_batch jsonb)
RETURNS TABLE (item int, tenant_id uuid, subject uuid, unit text, name text, most bigint, cost bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT i.ord::int, (i.value ->> 'tenant')::uuid, r.subject, u.unit, r.name, u.most, u.cost
    FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
   CROSS JOIN LATERAL jsonb_to_recordset(i.value -> 'rates') AS r(name text, subject uuid, requests bigint, tokens bigint)
   CROSS JOIN LATERAL (VALUES ('requests', r.requests, 1), ('tokens', r.tokens, coalesce((i.value ->> 'tokens')::bigint, 0))) AS u(unit, most, cost)
   WHERE u.most IS NOT NULL
$$;

-- Takes what the items ask, each from all of its buckets or from none. Answers one row for each item that has limits: is it refused, and
-- how its limits stand, [{name, unit, limit, left, wait}]: what is left, and the seconds until this call would fit (null: it never can).
CREATE OR REPLACE FUNCTION billing_take_rates(p_batch jsonb, p_except int[]) RETURNS TABLE (item int, is_refused boolean, standing jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_items int[]; v_names text[]; v_most bigint[]; v_cost bigint[]; v_at int[];   -- per ask, by item; v_at: its bucket
  v_waits float8[] := '{}'; v_left float8[] := '{}'; v_refused boolean[] := '{}';
  v_tenants uuid[]; v_subjects uuid[]; v_units text[]; v_used float8[];          -- per bucket; v_used: seconds until it is full
  v_first int := 1; v_last int; v_no boolean;
BEGIN
  SELECT array_agg(a.item), array_agg(a.name), array_agg(a.most), array_agg(a.cost), array_agg(a.at),
         array_agg(a.tenant_id), array_agg(a.subject), array_agg(a.unit)
    INTO v_items, v_names, v_most, v_cost, v_at, v_tenants, v_subjects, v_units
    FROM (SELECT r.*, dense_rank() OVER (ORDER BY r.tenant_id, r.subject, r.unit)::int AS at FROM billing_asked_rates(p_batch) r
           WHERE r.item <> ALL (p_except) ORDER BY r.item) a;
  SELECT array_agg(b.tenant_id ORDER BY b.at), array_agg(b.subject ORDER BY b.at), array_agg(b.unit ORDER BY b.at)
    INTO v_tenants, v_subjects, v_units
    FROM (SELECT DISTINCT * FROM unnest(v_at, v_tenants, v_subjects, v_units) AS x(at, tenant_id, subject, unit)) b;
  INSERT INTO tenants_ratebucket AS b (tenant_id, subject, unit, full_at)
  SELECT x.tenant_id, x.subject, x.unit, v_now FROM unnest(v_tenants, v_subjects, v_units) WITH ORDINALITY AS x(tenant_id, subject, unit, at) ORDER BY x.at
  ON CONFLICT (tenant_id, subject, unit) DO UPDATE SET full_at = excluded.full_at WHERE false;  -- what is there is locked and left as it is
  v_now := clock_timestamp();  -- it may have had to wait
  SELECT array_agg(least(60, greatest(0, extract(epoch FROM b.full_at - v_now)))::float8 ORDER BY x.at) INTO v_used
    FROM unnest(v_tenants, v_subjects, v_units) WITH ORDINALITY AS x(tenant_id, subject, unit, at)
   CROSS JOIN LATERAL (  -- never more than a minute, so that a clock that jumped back locks nobody out
     SELECT f.full_at FROM tenants_ratebucket f WHERE f.tenant_id = x.tenant_id AND f.subject = x.subject AND f.unit = x.unit OFFSET 0) b;

  WHILE v_first <= cardinality(v_items) LOOP
    v_last := v_first; v_no := false;
    LOOP
      v_waits[v_last] := CASE WHEN v_cost[v_last] <= v_most[v_last]
                              THEN greatest(0, v_used[v_at[v_last]] + v_cost[v_last] * 60.0::float8 / v_most[v_last] - 60) END;
      v_no := v_no OR v_waits[v_last] IS NULL OR v_waits[v_last] > 0.001;  -- instants are kept to the microsecond
      EXIT WHEN v_items[v_last + 1] IS DISTINCT FROM v_items[v_first];
      v_last := v_last + 1;
    END LOOP;
    FOR k IN v_first .. v_last LOOP
      IF NOT v_no THEN
        v_used[v_at[k]] := v_used[v_at[k]] + v_cost[k] * 60.0::float8 / v_most[k];
      END IF;
      v_left[k] := greatest(0, 60 - v_used[v_at[k]]) * v_most[k] / 60; v_refused[k] := v_no;
    END LOOP;
    v_first := v_last + 1;
  END LOOP;

  UPDATE tenants_ratebucket b SET full_at = v_now + make_interval(secs => u.used)
    FROM unnest(v_tenants, v_subjects, v_units, v_used) AS u(tenant_id, subject, unit, used)
   WHERE b.tenant_id = u.tenant_id AND b.subject = u.subject AND b.unit = u.unit;
  RETURN QUERY
  SELECT n.item, bool_or(n.refused), jsonb_agg(
           jsonb_build_object('name', n.name, 'unit', v_units[n.at], 'limit', n.most, 'left', n.remains, 'wait', n.wait))
    FROM unnest(v_items, v_refused, v_names, v_at, v_most, v_left, v_waits) AS n(item, refused, name, at, most, remains, wait) GROUP BY n.item;
END $$;

-- Gives back what items took that were not admitted after all.
CREATE OR REPLACE FUNCTION billing_return_rates(p_batch jsonb, p_items int[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE tenants_ratebucket b SET full_at = b.full_at - make_interval(secs => r.seconds)
    FROM (SELECT a.tenant_id, a.subject, a.unit, sum(a.cost * 60.0::float8 / a.most) AS seconds
            FROM billing_asked_rates(p_batch) a WHERE a.item = ANY (p_items) GROUP BY 1, 2, 3) r
   WHERE b.tenant_id = r.tenant_id AND b.subject = r.subject AND b.unit = r.unit
$$;

-- Forgets buckets that are full: so they are without a row too. Returns how many.
CREATE OR REPLACE FUNCTION billing_forget_rates(p_limit int) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH gone AS (
    DELETE FROM tenants_ratebucket b USING (
      SELECT f.tenant_id, f.subject, f.unit FROM tenants_ratebucket f WHERE f.full_at < clock_timestamp() LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) f WHERE b.tenant_id = f.tenant_id AND b.subject = f.subject AND b.unit = f.unit
    RETURNING 1
  )
  SELECT count(*)::int FROM gone
$$;
REVOKE ALL ON FUNCTION billing_asked_rates(jsonb), billing_take_rates(jsonb, int[]), billing_return_rates(jsonb, int[]), billing_forget_rates(int)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_forget_rates(int) TO {app_role};
