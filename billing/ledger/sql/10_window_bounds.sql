-- The first instant of a date in a zone, and the window of a budget that holds an instant: the same rules as
-- window_bounds() in billing/engine/budgets.py, which a test compares over all zones.
CREATE OR REPLACE FUNCTION billing_start_of_day(p_day date, p_zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_midnight timestamp := p_day::timestamp;
  v_earlier timestamptz := (v_midnight AT TIME ZONE 'UTC') - interval '26 hours';
  v_later timestamptz := (v_midnight AT TIME ZONE 'UTC') + interval '26 hours';
  v_before timestamptz := (v_midnight - ((v_earlier AT TIME ZONE p_zone) - (v_earlier AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC';
  v_after timestamptz := (v_midnight - ((v_later AT TIME ZONE p_zone) - (v_later AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC';
BEGIN
  -- With the offset before a change of clocks where midnight is skipped or happens twice; with the one after where only that fits.
  IF (v_before AT TIME ZONE p_zone) <> v_midnight AND (v_after AT TIME ZONE p_zone) = v_midnight THEN
    RETURN v_after;
  END IF;
  RETURN v_before;
END $$;

CREATE OR REPLACE FUNCTION billing_window_bounds(p_period text, p_zone text, p_now timestamptz, OUT start_at timestamptz, OUT end_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_day date;
BEGIN
  IF p_period = 'total' THEN
    start_at := '0001-01-01 00:00:00+00'; end_at := '9999-12-31 00:00:00+00';
    RETURN;
  END IF;
  -- The latest date whose first instant has come and which has a length: the local date itself goes backwards in some zones.
  v_day := (p_now AT TIME ZONE p_zone)::date + 1;
  WHILE billing_start_of_day(v_day, p_zone) > p_now OR billing_start_of_day(v_day, p_zone) = billing_start_of_day(v_day + 1, p_zone) LOOP
    v_day := v_day - 1;
  END LOOP;
  IF p_period = 'weekly' THEN
    v_day := date_trunc('week', v_day::timestamp)::date;
    end_at := billing_start_of_day(v_day + 7, p_zone);
  ELSIF p_period = 'monthly' THEN
    v_day := date_trunc('month', v_day::timestamp)::date;
    end_at := billing_start_of_day((v_day + interval '1 month')::date, p_zone);
  ELSIF p_period = 'daily' THEN
    end_at := billing_start_of_day(v_day + 1, p_zone);
  ELSE
    RAISE EXCEPTION 'unknown budget period %', p_period;
  END IF;
  start_at := billing_start_of_day(v_day, p_zone);
END $$;
