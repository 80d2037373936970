-- A platform price holds for every tenant: all of them read their configuration again, which processes notice with the next look-up of a key.
-- Once a transaction, however many prices it brings.
CREATE OR REPLACE FUNCTION billing_platform_prices_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF current_setting('app.platform_prices_changed_in', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    PERFORM set_config('app.platform_prices_changed_in', pg_current_xact_id()::text, true);
    UPDATE tenants_tenant SET config_version = config_version + 1;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER platform_prices_changed AFTER INSERT OR UPDATE OR DELETE ON billing_platformprice FOR EACH STATEMENT
  EXECUTE FUNCTION billing_platform_prices_changed();
