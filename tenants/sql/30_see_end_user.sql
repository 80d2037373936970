-- Creates an end user on first sight, remembers the tier that the application says, and returns the tier that is known.
CREATE OR REPLACE FUNCTION tenants_see_end_user(p_tenant uuid, p_id uuid, p_external_id text, p_tier text)
RETURNS TABLE (tier text, is_blocked boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE v_tier uuid;
BEGIN
  IF p_tier IS NOT NULL THEN
    SELECT t.id INTO v_tier FROM tenants_tier t WHERE t.tenant_id = p_tenant AND t.name = p_tier;
  END IF;
  INSERT INTO tenants_enduser (id, tenant_id, external_id, tier_id, is_blocked, created_at)
  VALUES (p_id, p_tenant, p_external_id, v_tier, false, clock_timestamp()) ON CONFLICT DO NOTHING;
  IF v_tier IS NOT NULL THEN
    UPDATE tenants_enduser e SET tier_id = v_tier WHERE e.id = p_id AND e.tenant_id = p_tenant AND e.tier_id IS DISTINCT FROM v_tier;
  END IF;
  RETURN QUERY
  SELECT t.name::text, e.is_blocked FROM tenants_enduser e LEFT JOIN tenants_tier t ON t.id = e.tier_id
   WHERE e.id = p_id AND e.tenant_id = p_tenant;
END $$;
REVOKE ALL ON FUNCTION tenants_see_end_user(uuid, uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_see_end_user(uuid, uuid, text, text) TO {app_role};
