-- Idempotency keys. An item of billing_reserve may carry "key": {endpoint, key, fingerprint (hex), ttl_s}: it is claimed in the hold's own
-- transaction, so that one key never leads to two dispatches. What is known of a key stays known for its time to live.

-- Claims the keys of a batch. Returns the numbers of the items whose key belongs to another call.
CREATE OR REPLACE FUNCTION billing_claim_keys(p_batch jsonb, p_now timestamptz) RETURNS int[]
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  WITH asked AS MATERIALIZED (
    SELECT i.ord::int AS item, (i.value ->> 'id')::uuid AS id, (i.value ->> 'tenant')::uuid AS tenant_id, k.*
      FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
     CROSS JOIN LATERAL jsonb_to_record(i.value -> 'key') AS k(endpoint text, key text, fingerprint text, ttl_s int)
     WHERE i.value -> 'key' <> 'null'
  ), claimed AS (
    INSERT INTO billing_idempotencykey AS known (tenant_id, endpoint, key, fingerprint, reservation_id, status, reply, created_at, expires_at)
    SELECT DISTINCT ON (a.tenant_id, a.endpoint, a.key) a.tenant_id, a.endpoint, a.key, decode(a.fingerprint, 'hex'), a.id, NULL::smallint, '', p_now,
           p_now + make_interval(secs => a.ttl_s)
      FROM asked a ORDER BY a.tenant_id, a.endpoint, a.key, a.item
    ON CONFLICT (tenant_id, endpoint, key) DO UPDATE
       SET fingerprint = excluded.fingerprint, reservation_id = excluded.reservation_id, status = NULL, reply = '',
           created_at = excluded.created_at, expires_at = excluded.expires_at
     WHERE known.expires_at <= p_now
    RETURNING known.reservation_id
  )
  SELECT coalesce(array_agg(a.item), '{}') FROM asked a WHERE a.id NOT IN (SELECT c.reservation_id FROM claimed c)
$$;

-- Lets go of the keys of items that were not admitted: nothing was sent under them.
CREATE OR REPLACE FUNCTION billing_release_keys(p_batch jsonb, p_items int[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM billing_idempotencykey k
   USING jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
   WHERE i.ord = ANY (p_items) AND k.tenant_id = (i.value ->> 'tenant')::uuid AND k.endpoint = i.value -> 'key' ->> 'endpoint'
     AND k.key = i.value -> 'key' ->> 'key' AND k.reservation_id = (i.value ->> 'id')::uuid
$$;

-- What is known of a key: the call under it, and its reply once there is one. Between the booking of a call and its reply there is a moment
-- in which it is in flight still.
CREATE OR REPLACE FUNCTION billing_find_key(p_tenant uuid, p_endpoint text, p_key text)
RETURNS TABLE (fingerprint bytea, reservation_id uuid, status smallint, reply bytea, in_flight boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT k.fingerprint, k.reservation_id, k.status, k.reply,
         coalesce(r.state = 'open' OR r.closed_at > clock_timestamp() - interval '5 seconds', false)
    FROM billing_idempotencykey k LEFT JOIN billing_reservation r ON r.id = k.reservation_id
   WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key AND k.expires_at > clock_timestamp()
$$;

-- Keeps the reply of a call; without a status the key is let go of, so that the call may be tried again.
CREATE OR REPLACE FUNCTION billing_finish_key(p_tenant uuid, p_endpoint text, p_key text, p_reservation uuid, p_status smallint, p_reply bytea)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF p_status IS NULL THEN
    DELETE FROM billing_idempotencykey k
     WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key AND k.reservation_id = p_reservation;
  ELSE
    UPDATE billing_idempotencykey k SET status = p_status, reply = p_reply
     WHERE k.tenant_id = p_tenant AND k.endpoint = p_endpoint AND k.key = p_key AND k.reservation_id = p_reservation;
  END IF;
END $$;

-- Forgets keys whose time is over. Returns how many.
CREATE OR REPLACE FUNCTION billing_forget_keys(p_limit int) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH gone AS (
    DELETE FROM billing_idempotencykey k
     WHERE k.id = ANY (ARRAY(SELECT e.id FROM billing_idempotencykey e WHERE e.expires_at < clock_timestamp() ORDER BY e.expires_at LIMIT p_limit
                                FOR UPDATE SKIP LOCKED))
    RETURNING 1
  )
  SELECT count(*)::int FROM gone
$$;
REVOKE ALL ON FUNCTION billing_claim_keys(jsonb, timestamptz), billing_release_keys(jsonb, int[]), billing_find_key(uuid, text, text),
  billing_finish_key(uuid, text, text, uuid, smallint, bytea), billing_forget_keys(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_find_key(uuid, text, text), billing_finish_key(uuid, text, text, uuid, smallint, bytea),
  billing_forget_keys(int) TO {app_role};
