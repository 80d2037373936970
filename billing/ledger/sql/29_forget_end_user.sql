-- Forgets the idempotency keys of an end user, with the replies that are kept under them: both may say who it is. A reply of a call that is
-- in flight is not kept then. Returns how many.
CREATE OR REPLACE FUNCTION billing_forget_end_user(p_tenant uuid, p_end_user uuid) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH gone AS (
    DELETE FROM billing_idempotencykey k USING billing_reservation r
     WHERE k.tenant_id = p_tenant AND r.id = k.reservation_id AND r.tenant_id = p_tenant AND r.end_user_id = p_end_user
    RETURNING 1
  )
  SELECT count(*)::int FROM gone
$$;
REVOKE ALL ON FUNCTION billing_forget_end_user(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_forget_end_user(uuid, uuid) TO {app_role};
