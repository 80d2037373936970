-- The audit log. A trigger on each table that says so (tenants/database.py) writes what was changed in the transaction of the change, whoever
-- wrote it: a service, an UPDATE, a hand at the database. `app.actor` says who acts (tenants/scoping.py).
CREATE OR REPLACE FUNCTION tenants_write_audit(p_tenant uuid, p_action text, p_type text, p_id text, p_name text, p_changes jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_actor jsonb := coalesce(nullif(current_setting('app.actor', true), '')::jsonb,
                            jsonb_build_object('kind', 'database', 'door', 'database', 'name', session_user));
  v_name text := v_actor ->> 'name';
BEGIN
  IF v_actor ->> 'kind' = 'api_key' THEN
    SELECT format('API key %s (%s…%s)', k.name, k.prefix, k.last4) INTO v_name FROM tenants_apikey k WHERE k.id = (v_actor ->> 'id')::uuid;
  END IF;
  INSERT INTO tenants_auditentry (id, tenant_id, at, actor_kind, actor_id, actor_name, door, operation, action, object_type, object_id, object_name,
                                  changes, reason, request_id, ip)
  VALUES (uuidv7(), p_tenant, clock_timestamp(), v_actor ->> 'kind', (v_actor ->> 'id')::uuid, coalesce(left(v_name, 255), ''),
          v_actor ->> 'door', coalesce(left(v_actor ->> 'operation', 100), ''), p_action, p_type, p_id, coalesce(left(p_name, 255), ''), p_changes,
          coalesce(left(v_actor ->> 'reason', 500), ''), coalesce(v_actor ->> 'request_id', ''), coalesce(v_actor ->> 'ip', ''));
END $$;

-- One value as the log shows it: amounts in USD as a decimal text, what is longer than a screen by its length.
CREATE OR REPLACE FUNCTION tenants_audit_value(p_field text, p_value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE
    WHEN p_value IS NULL OR jsonb_typeof(p_value) = 'null' THEN 'null'::jsonb
    WHEN p_field LIKE '%\_nusd' AND jsonb_typeof(p_value) = 'number' THEN to_jsonb(trim_scale(p_value::numeric / 1000000000)::text)
    WHEN length(p_value::text) > 1000 THEN to_jsonb(format('%s characters', length(p_value::text)))
    ELSE p_value END
$$;

-- What differs between two rows, by field. Of a hidden field only that it changed.
CREATE OR REPLACE FUNCTION tenants_audit_changes(p_old jsonb, p_new jsonb, p_hidden text[], p_ignored text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(
           regexp_replace(field, '_nusd$', ''),
           CASE WHEN field = ANY (p_hidden) THEN '{"before": null, "after": "changed"}'::jsonb
           ELSE jsonb_build_object('before', tenants_audit_value(field, p_old -> field), 'after', tenants_audit_value(field, p_new -> field)) END),
         '{}'::jsonb)
    FROM jsonb_object_keys(p_old || p_new) AS field
   WHERE field <> ALL (p_ignored) AND coalesce(p_old -> field, 'null') IS DISTINCT FROM coalesce(p_new -> field, 'null')
$$;

-- Arguments: the type of object, the column of its tenant, hidden columns, ignored columns, and a query that finds its name from the row ($1).
CREATE OR REPLACE FUNCTION tenants_audit_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_old jsonb := '{}';
  v_new jsonb := '{}';
  v_row jsonb;
  v_name text;
  v_changes jsonb;
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'tenants_tenant' THEN RETURN NULL; END IF;  -- who is gone has no log any more
  IF TG_OP <> 'INSERT' THEN v_old := to_jsonb(OLD); v_row := v_old; END IF;
  IF TG_OP <> 'DELETE' THEN v_new := to_jsonb(NEW); v_row := v_new; END IF;
  v_changes := tenants_audit_changes(v_old, v_new, string_to_array(TG_ARGV[2], ','), string_to_array(TG_ARGV[3], ','));
  IF TG_OP = 'UPDATE' AND v_changes = '{}' THEN RETURN NULL; END IF;
  EXECUTE TG_ARGV[4] INTO v_name USING v_row;
  PERFORM tenants_write_audit((v_row ->> TG_ARGV[1])::uuid, CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END,
                              TG_ARGV[0], coalesce(v_row ->> 'id', ''), v_name, v_changes);
  RETURN NULL;
END $$;

-- The log of a demo is made up along with the rest of it, and goes with it.
CREATE OR REPLACE FUNCTION tenants_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' AND EXISTS (SELECT 1 FROM tenants_tenant t WHERE t.id = OLD.tenant_id AND t.is_demo) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit log is append-only';
END $$;
DO $$ BEGIN
  IF to_regclass('tenants_auditentry') IS NOT NULL THEN
    CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON tenants_auditentry FOR EACH ROW EXECUTE FUNCTION tenants_refuse_change();
    CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON tenants_auditentry FOR EACH STATEMENT EXECUTE FUNCTION tenants_refuse_change();
  END IF;
END $$;
