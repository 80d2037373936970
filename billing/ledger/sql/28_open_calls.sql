-- Calls in flight of one end user. An item of billing_reserve may carry "most_open": so many holds of its end user may be open at once.

-- Returns the numbers of the items that would be one too many. Of the reserves for one end user one decides at a time, wherever they come
-- from: the lock is taken before it is counted, in one order, and kept until the hold is there to be counted. It comes after keys and
-- buckets and before windows. The index open_holds_by_end_user has the open holds alone, so old ones cost nothing.
CREATE OR REPLACE FUNCTION billing_too_many_open(p_batch jsonb, p_except int[]) RETURNS int[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT hashtextextended(i ->> 'end_user', 1) AS key FROM jsonb_array_elements(p_batch) i WHERE i ? 'most_open' ORDER BY 1) k;
  RETURN (
    SELECT coalesce(array_agg(a.item), '{}')
      FROM (SELECT i.ord::int AS item, (i.value ->> 'tenant')::uuid AS tenant_id, (i.value ->> 'end_user')::uuid AS end_user_id,
                   (i.value ->> 'most_open')::bigint AS most, row_number() OVER (PARTITION BY i.value ->> 'end_user' ORDER BY i.ord) AS of_batch
              FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
             WHERE i.value ? 'most_open' AND i.ord <> ALL (p_except)) a
     WHERE a.of_batch + (SELECT count(*) FROM billing_reservation r
                          WHERE r.tenant_id = a.tenant_id AND r.end_user_id = a.end_user_id AND r.state = 'open') > a.most
  );
END $$;
REVOKE ALL ON FUNCTION billing_too_many_open(jsonb, int[]) FROM PUBLIC;
