-- Monthly partitions of the cost entries, made ahead of time; the default partition catches what nobody foresaw. A month whose entries
-- are already there keeps them there: moving them would rewrite the book.
CREATE OR REPLACE FUNCTION billing_ensure_partitions(p_months_ahead int DEFAULT 3) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  v_month date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date;
  v_start timestamptz; v_end timestamptz;
  v_name text;
  v_made int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('billing_ensure_partitions', 0));
  FOR i IN 0 .. p_months_ahead LOOP
    v_name := 'billing_costentry_' || to_char(v_month, 'YYYY_MM');
    v_start := v_month::timestamp AT TIME ZONE 'UTC'; v_month := (v_month + interval '1 month')::date; v_end := v_month::timestamp AT TIME ZONE 'UTC';
    CONTINUE WHEN to_regclass('public.' || v_name) IS NOT NULL
      OR EXISTS (SELECT 1 FROM billing_costentry_rest r WHERE r.booked_at >= v_start AND r.booked_at < v_end);
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.billing_costentry FOR VALUES FROM (%L) TO (%L)', v_name, v_start, v_end);
    EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()', v_name);
    v_made := v_made + 1;
  END LOOP;
  RETURN v_made;
END $$;
REVOKE ALL ON FUNCTION billing_ensure_partitions(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_ensure_partitions(int) TO {app_role};
SELECT billing_ensure_partitions() WHERE to_regclass('public.billing_costentry_rest') IS NOT NULL;  -- the first entries have their month at once
