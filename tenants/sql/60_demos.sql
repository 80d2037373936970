-- A demo is born as one and stays one: what is real never becomes a demo, which can be deleted, and what is made up never passes for real.
CREATE OR REPLACE FUNCTION tenants_keep_demo() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'whether an organisation is a demo is said when it is made, and never changes' USING ERRCODE = 'CF006';
END $$;
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = to_regclass('tenants_tenant') AND a.attname = 'is_demo' AND NOT a.attisdropped) THEN
    CREATE OR REPLACE TRIGGER keep_demo BEFORE UPDATE ON tenants_tenant FOR EACH ROW
      WHEN (OLD.is_demo IS DISTINCT FROM NEW.is_demo OR (OLD.is_demo AND OLD.id <> NEW.id)) EXECUTE FUNCTION tenants_keep_demo();
  END IF;
END $$;
