-- Where subjects stand: each budget window that would bind a call now, as it is, or as it would be opened. Reads alone; items as those of
-- billing_reserve (tenant, zone, end_user, end_user_name, api_key, tier, tags).
CREATE OR REPLACE FUNCTION billing_standing(p_batch jsonb, p_now timestamptz)
RETURNS TABLE (item int, window_id bigint, budget uuid, name text, scope text, subject text, period text, action text, limit_nusd bigint,
               spent_nusd bigint, held_nusd bigint, start_at timestamptz, end_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
  SELECT w.item, CASE WHEN NOT w.is_missing THEN w.window_id END, b.id, b.name, b.scope, b.subject, b.period, b.action, w.limit_nusd,
         CASE WHEN NOT w.is_missing THEN n.spent_nusd
              WHEN w.window_id IS NULL THEN billing_spent_before(b.id, w.subject, s.start_at, w.zone) ELSE 0 END,
         CASE WHEN w.is_missing THEN 0 ELSE n.held_nusd END,
         CASE WHEN w.is_missing THEN greatest(s.start_at, w.window_end) ELSE n.start_at END, CASE WHEN w.is_missing THEN s.end_at ELSE n.end_at END
    FROM billing_wanted_windows(p_batch, p_now) w
    JOIN billing_budget b ON b.id = w.budget_id
    LEFT JOIN billing_budgetwindow n ON n.id = w.window_id
    CROSS JOIN LATERAL billing_window_bounds(w.period, w.zone, p_now) s
   ORDER BY w.item, b.scope, b.period
$$;
REVOKE ALL ON FUNCTION billing_standing(jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_standing(jsonb, timestamptz) TO {app_role};
