-- The open holds in some windows of a tenant, newest first: the answer to "who holds the money that I may not spend?".
CREATE OR REPLACE FUNCTION billing_open_holds(p_tenant uuid, p_windows bigint[], p_limit int)
RETURNS TABLE (id uuid, amount_nusd bigint, end_user_id uuid, api_key_id uuid, model text, created_at timestamptz, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT r.id, r.amount_nusd, r.end_user_id, r.api_key_id, r.legs -> 0 ->> 'model', r.created_at, r.expires_at
    FROM billing_reservation r
   WHERE r.state = 'open' AND r.tenant_id = p_tenant AND r.window_ids && p_windows ORDER BY r.created_at DESC LIMIT p_limit
$$;
REVOKE ALL ON FUNCTION billing_open_holds(uuid, bigint[], int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_open_holds(uuid, bigint[], int) TO {app_role};
