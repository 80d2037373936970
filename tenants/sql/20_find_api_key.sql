-- Finds the key of a digest before anybody knows the tenant, and remembers, once a minute, that it was used.
DROP FUNCTION IF EXISTS tenants_find_api_key(bytea);  -- its columns may have changed
CREATE FUNCTION tenants_find_api_key(p_digest bytea)
RETURNS TABLE (key_id uuid, scopes text[], expires_at timestamptz, revoked_at timestamptz, tenant_id uuid, tenant_slug text,
               tenant_is_active boolean, time_zone text, default_tier text, allow_undocumented_fields boolean,
               budget_refusal_status smallint, end_user_salt bytea, config_version bigint, end_users_version bigint,
               requests_per_minute int, tokens_per_minute int, open_calls_per_end_user int, tenant_is_demo boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE tenants_apikey k SET last_used_at = clock_timestamp()
   WHERE k.digest = p_digest AND (k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - interval '1 minute');
  RETURN QUERY
  SELECT k.id, k.scopes::text[], k.expires_at, k.revoked_at, t.id, t.slug::text, t.is_active, t.time_zone::text, t.default_tier::text,
         t.allow_undocumented_fields, t.budget_refusal_status, t.end_user_salt, t.config_version, t.end_users_version,
         k.requests_per_minute, k.tokens_per_minute, t.open_calls_per_end_user, t.is_demo
    FROM tenants_apikey k JOIN tenants_tenant t ON t.id = k.tenant_id
   WHERE k.digest = p_digest;
END $$;
REVOKE ALL ON FUNCTION tenants_find_api_key(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_find_api_key(bytea) TO {app_role};
