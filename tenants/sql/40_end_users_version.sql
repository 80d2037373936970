-- Processes remember the end users they have seen until one of the tenant's end users is changed or deleted.
CREATE OR REPLACE FUNCTION tenants_bump_end_users_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE tenants_tenant SET end_users_version = end_users_version + 1 WHERE id = OLD.tenant_id;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER bump_end_users_version AFTER UPDATE OF tier_id, is_blocked ON tenants_enduser FOR EACH ROW
  WHEN (OLD.tier_id IS DISTINCT FROM NEW.tier_id OR OLD.is_blocked <> NEW.is_blocked) EXECUTE FUNCTION tenants_bump_end_users_version();
CREATE OR REPLACE TRIGGER bump_end_users_version_on_delete AFTER DELETE ON tenants_enduser FOR EACH ROW
  EXECUTE FUNCTION tenants_bump_end_users_version();
