-- Monthly partitions of the cost entries, made ahead of time; the default partition catches what nobody foresaw.
CREATE OR REPLACE FUNCTION billing_ensure_partitions(p_months_ahead int DEFAULT 3) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_month date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date;
  v_name text;
  v_made int := 0;
BEGIN
  FOR i IN 0 .. p_months_ahead LOOP
    v_name := 'billing_costentry_' || to_char(v_month, 'YYYY_MM');
    IF to_regclass('public.' || v_name) IS NULL THEN
      EXECUTE format('CREATE TABLE public.%I PARTITION OF public.billing_costentry FOR VALUES FROM (%L) TO (%L)', v_name,
                     v_month::timestamp AT TIME ZONE 'UTC', (v_month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
      EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()', v_name);
      v_made := v_made + 1;
    END IF;
    v_month := (v_month + interval '1 month')::date;
  END LOOP;
  RETURN v_made;
END $$;
REVOKE ALL ON FUNCTION billing_ensure_partitions(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_ensure_partitions(int) TO {app_role};
