-- Cost entries are only ever added (those of a demo, which are made up, are deleted with it), none of them to a month that is closed; their sums per day follow in the same transaction.
CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' AND EXISTS (SELECT 1 FROM tenants_tenant t WHERE t.id = OLD.tenant_id AND t.is_demo) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'cost entries are append-only: % is refused; book an adjustment instead', TG_OP USING ERRCODE = 'CF002';
END $$;

CREATE OR REPLACE FUNCTION billing_roll_up() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM booked b JOIN billing_closeofmonth c ON c.tenant_id = b.tenant_id AND b.booked_at < c.end_at AND c.reopened_at IS NULL) THEN
    RAISE EXCEPTION 'the month is closed: what is booked now belongs to the open one' USING ERRCODE = 'CF005';
  END IF;
  INSERT INTO billing_dayrollup AS d (tenant_id, day, dimension, value, cost_nusd, entries, input_tokens, output_tokens)
  SELECT b.tenant_id, b.occurred_on, v.dimension, v.value, sum(b.amount_nusd), count(*), sum(b.input_tokens), sum(b.output_tokens)
    FROM booked b CROSS JOIN LATERAL (
      VALUES ('all', ''), ('end_user', coalesce(b.end_user_id::text, '')), ('tier', b.tier), ('model', b.model), ('provider', b.provider),
             ('domain', b.domain), ('api_key', coalesce(b.api_key_id::text, '')), ('preset', b.preset), ('step', b.step)
      UNION ALL SELECT DISTINCT 'tag', t FROM unnest(b.tags) t
    ) AS v(dimension, value)
   GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4  -- one order, so that two batches cannot wait for each other
  ON CONFLICT (tenant_id, day, dimension, value) DO UPDATE
     SET cost_nusd = d.cost_nusd + excluded.cost_nusd, entries = d.entries + excluded.entries,
         input_tokens = d.input_tokens + excluded.input_tokens, output_tokens = d.output_tokens + excluded.output_tokens;
  RETURN NULL;
END $$;
