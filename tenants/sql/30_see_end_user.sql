-- Creates an end user on first sight, remembers the tier that the application says, and returns the tier that is known.
--
-- A tenant may have so many new end users an hour (tenants_tenant.new_end_users_per_hour), counted by a bucket as rate limits are
-- (billing/ledger/sql/27_rates.sql), so that erasing people gives no room for others. One too many is not created: wait_s says in how many
-- seconds there is room. The bucket is locked before it is looked whether the end user is new, so of many first calls of one person one
-- counts.
DROP FUNCTION IF EXISTS tenants_see_end_user(uuid, uuid, text, text);  -- its columns may have changed
CREATE FUNCTION tenants_see_end_user(p_tenant uuid, p_id uuid, p_external_id text, p_tier text)
RETURNS TABLE (tier text, is_blocked boolean, wait_s float8)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_tier uuid;
  v_most int;
  v_now timestamptz := clock_timestamp();
  v_full timestamptz;
BEGIN
  IF p_tier IS NOT NULL THEN
    SELECT t.id INTO v_tier FROM tenants_tier t WHERE t.tenant_id = p_tenant AND t.name = p_tier;
  END IF;
  IF NOT EXISTS (SELECT FROM tenants_enduser e WHERE e.id = p_id) THEN
    SELECT t.new_end_users_per_hour INTO v_most FROM tenants_tenant t WHERE t.id = p_tenant;
    INSERT INTO tenants_ratebucket AS b (tenant_id, subject, unit, full_at) SELECT p_tenant, p_tenant, 'end_users', v_now WHERE v_most IS NOT NULL
    ON CONFLICT (tenant_id, subject, unit) DO UPDATE SET full_at = excluded.full_at WHERE false;  -- what is there is locked and left as it is
    IF v_most IS NOT NULL AND NOT EXISTS (SELECT FROM tenants_enduser e WHERE e.id = p_id) THEN
      v_now := clock_timestamp();
      SELECT least(v_now + interval '1 hour', greatest(b.full_at, v_now)) + make_interval(secs => 3600.0::float8 / v_most) INTO v_full
        FROM tenants_ratebucket b WHERE b.tenant_id = p_tenant AND b.subject = p_tenant AND b.unit = 'end_users';
      IF v_full > v_now + interval '1 hour 0.001 seconds' THEN
        RETURN QUERY SELECT NULL::text, false, extract(epoch FROM v_full - v_now - interval '1 hour')::float8;
        RETURN;
      END IF;
      UPDATE tenants_ratebucket b SET full_at = v_full WHERE b.tenant_id = p_tenant AND b.subject = p_tenant AND b.unit = 'end_users';
    END IF;
    INSERT INTO tenants_enduser (id, tenant_id, external_id, tier_id, is_blocked, created_at)
    VALUES (p_id, p_tenant, p_external_id, v_tier, false, clock_timestamp()) ON CONFLICT DO NOTHING;
  END IF;
  IF v_tier IS NOT NULL THEN
    UPDATE tenants_enduser e SET tier_id = v_tier WHERE e.id = p_id AND e.tenant_id = p_tenant AND e.tier_id IS DISTINCT FROM v_tier;
  END IF;
  RETURN QUERY
  SELECT t.name::text, e.is_blocked, 0.0::float8 FROM tenants_enduser e LEFT JOIN tenants_tier t ON t.id = e.tier_id
   WHERE e.id = p_id AND e.tenant_id = p_tenant;
END $$;
REVOKE ALL ON FUNCTION tenants_see_end_user(uuid, uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_see_end_user(uuid, uuid, text, text) TO {app_role};
