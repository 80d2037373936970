-- Months are closed: a chain of hashes over their entries, in the order of (booked_at, id). A block is a thousand entries; its hash commits to
-- the block before, the first one of a month to the close before. Entries are counted to a month by booked_at, which is the database's clock when
-- they are booked: so a month that is over has all of its entries, and what comes later belongs to the month that is open.

-- The digest of an entry: every column, none of them printed in a way that depends on a session's settings.
CREATE OR REPLACE FUNCTION billing_digest_of(c billing_costentry) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT sha256(convert_to(ROW(
    1, c.id, c.tenant_id, c.kind, c.reservation_id, c.leg, c.attempt, c.amount_nusd, c.step, c.outcome, c.provider, c.model, c.price_version,
    c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens, c.reasoning_tokens, c.is_unverified, c.provider_request_id,
    c.end_user_id, c.api_key_id, c.tier, c.domain, c.preset, c.tags, c.actor, c.reason, c.reference, extract(epoch FROM c.occurred_at),
    c.occurred_on - '2000-01-01'::date, extract(epoch FROM c.booked_at))::text, 'UTF8'))
$$;

-- At most p_most entries after one position, up to and with another, as a block.
DROP FUNCTION IF EXISTS billing_block(uuid, timestamptz, uuid, timestamptz, uuid, int);
CREATE FUNCTION billing_block(p_tenant uuid, p_after_at timestamptz, p_after_id uuid, p_until_at timestamptz, p_until_id uuid, p_most int,
  OUT entries int, OUT amount bigint, OUT corrections bigint, OUT last_at timestamptz, OUT last_id uuid, OUT marks bytea, OUT digests bytea)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
  SELECT count(*)::int, coalesce(sum(e.amount_nusd), 0)::bigint, coalesce(sum(e.amount_nusd) FILTER (WHERE e.is_correction), 0)::bigint,
         max(e.booked_at), (array_agg(e.id ORDER BY e.booked_at DESC, e.id DESC))[1],
         coalesce(string_agg(uuid_send(e.id) || substr(e.digest, 1, 8), ''::bytea ORDER BY e.booked_at, e.id), ''),
         coalesce(string_agg(e.digest, ''::bytea ORDER BY e.booked_at, e.id), '')
    FROM (SELECT c.id, c.booked_at, c.amount_nusd, c.kind = 'adjustment' OR (c.kind = 'overrun' AND c.actor <> '') AS is_correction, billing_digest_of(c) AS digest
            FROM billing_costentry c
           WHERE c.tenant_id = p_tenant AND c.booked_at >= p_after_at AND c.booked_at <= p_until_at
             AND (c.booked_at, c.id) > (p_after_at, p_after_id) AND (c.booked_at, c.id) <= (p_until_at, p_until_id)
           ORDER BY c.booked_at, c.id LIMIT p_most) e
$$;

CREATE OR REPLACE FUNCTION billing_hash_of_close(c billing_closeofmonth, p_chain bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT sha256(p_chain || convert_to(ROW(
    1, c.tenant_id, c.month - '2000-01-01'::date, c.time_zone, extract(epoch FROM c.start_at), extract(epoch FROM c.end_at), c.entries,
    c.opening_nusd, c.usage_nusd, c.adjustments_nusd, c.names::jsonb, c.in_spite_of, c.actor, c.reason, extract(epoch FROM c.closed_at))::text, 'UTF8'))
$$;

-- Closes the month from where the close before ends (p_start, where there is none) to p_end. Answers the id of the close.
CREATE OR REPLACE FUNCTION billing_close_month(p_tenant uuid, p_month date, p_start timestamptz, p_end timestamptz, p_zone text, p_names jsonb,
  p_in_spite_of text[], p_actor text, p_reason text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_nothing CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  v_before billing_closeofmonth; v_close billing_closeofmonth; v_block record; v_chain bytea; v_number int := 0;
  v_at timestamptz; v_id uuid := v_nothing;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('billing_close_month ' || p_tenant, 0));
  SELECT * INTO v_before FROM billing_closeofmonth c WHERE c.tenant_id = p_tenant AND c.reopened_at IS NULL ORDER BY c.month DESC LIMIT 1;
  IF v_before.id IS NOT NULL AND p_month <> (v_before.month + interval '1 month')::date THEN
    RAISE EXCEPTION 'months are closed one after the other: the next one is %', to_char(v_before.month + interval '1 month', 'YYYY-MM')
      USING ERRCODE = 'CF005';
  END IF;
  -- A booking takes its time first and commits within seconds: none with a time of the month can be under way any more.
  IF clock_timestamp() < p_end + interval '15 minutes' THEN
    RAISE EXCEPTION 'the month is not over for a quarter of an hour' USING ERRCODE = 'CF005';
  END IF;
  IF p_actor = '' THEN
    RAISE EXCEPTION 'a close says who closed the month' USING ERRCODE = 'CF005';
  END IF;
  v_close.id := uuidv7(); v_close.tenant_id := p_tenant; v_close.month := p_month; v_close.time_zone := p_zone;
  v_close.start_at := coalesce(v_before.end_at, p_start); v_close.end_at := p_end; v_close.entries := 0; v_close.usage_nusd := 0;
  v_close.adjustments_nusd := 0; v_close.previous_id := v_before.id; v_close.names := p_names; v_close.in_spite_of := p_in_spite_of;
  v_close.actor := left(p_actor, 200); v_close.reason := p_reason; v_close.closed_at := clock_timestamp();
  v_close.reopened_by := ''; v_close.reopened_because := ''; v_close.hash := '';
  v_close.opening_nusd := coalesce(v_before.opening_nusd + v_before.usage_nusd + v_before.adjustments_nusd,
    (SELECT sum(e.amount_nusd) FROM billing_costentry e WHERE e.tenant_id = p_tenant AND e.booked_at < p_start), 0);
  INSERT INTO billing_closeofmonth SELECT v_close.*;
  v_chain := coalesce(v_before.hash, decode(repeat('00', 32), 'hex'));
  v_at := v_close.start_at;
  LOOP
    SELECT * INTO v_block FROM billing_block(p_tenant, v_at, v_id, p_end, v_nothing, 1000);
    EXIT WHEN v_block.entries = 0;
    v_at := v_block.last_at; v_id := v_block.last_id; v_chain := sha256(v_chain || v_block.digests);
    INSERT INTO billing_sealedblock (tenant_id, close_id, number, entries, amount_nusd, last_booked_at, last_id, marks, hash)
      VALUES (p_tenant, v_close.id, v_number, v_block.entries, v_block.amount, v_at, v_id, v_block.marks, v_chain);
    v_close.entries := v_close.entries + v_block.entries; v_close.adjustments_nusd := v_close.adjustments_nusd + v_block.corrections;
    v_close.usage_nusd := v_close.usage_nusd + v_block.amount - v_block.corrections; v_number := v_number + 1;
    EXIT WHEN v_block.entries < 1000;
  END LOOP;
  UPDATE billing_closeofmonth c SET entries = v_close.entries, usage_nusd = v_close.usage_nusd, adjustments_nusd = v_close.adjustments_nusd
    WHERE c.id = v_close.id RETURNING * INTO v_close;
  UPDATE billing_closeofmonth c SET hash = billing_hash_of_close(v_close, v_chain) WHERE c.id = v_close.id;
  RETURN v_close.id;
END $$;

-- Opens a month again, the one that was closed last alone. The close and its blocks stay, as history. False where it is not that one.
CREATE OR REPLACE FUNCTION billing_reopen_month(p_tenant uuid, p_close uuid, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('billing_close_month ' || p_tenant, 0));
  UPDATE billing_closeofmonth c SET reopened_at = clock_timestamp(), reopened_by = left(p_actor, 200), reopened_because = p_reason
   WHERE c.tenant_id = p_tenant AND c.id = p_close AND c.reopened_at IS NULL
     AND NOT EXISTS (SELECT 1 FROM billing_closeofmonth f WHERE f.tenant_id = p_tenant AND f.month > c.month AND f.reopened_at IS NULL);
  RETURN FOUND;
END $$;

-- Reads a close and its entries again. Answers a row for each block whose entries are not those that were sealed, with the marks as they were
-- and as they are; number -1 where the close itself is not as it was written.
CREATE OR REPLACE FUNCTION billing_verify_close(p_tenant uuid, p_close uuid)
RETURNS TABLE (number int, sealed_hash bytea, found_hash bytea, sealed_marks bytea, found_marks bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_nothing CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  v_close billing_closeofmonth; v_seal record; v_block record; v_last int; v_chain bytea; v_found bytea; v_expected bytea;
  v_entries bigint := 0; v_amount bigint := 0; v_corrections bigint := 0; v_at timestamptz; v_id uuid := v_nothing;
BEGIN
  SELECT * INTO v_close FROM billing_closeofmonth c WHERE c.tenant_id = p_tenant AND c.id = p_close;
  v_chain := coalesce((SELECT c.hash FROM billing_closeofmonth c WHERE c.id = v_close.previous_id), decode(repeat('00', 32), 'hex'));
  v_at := v_close.start_at;
  SELECT max(b.number) INTO v_last FROM billing_sealedblock b WHERE b.close_id = p_close;
  FOR v_seal IN
    SELECT b.number, b.hash, b.marks, b.entries, b.amount_nusd AS amount, b.last_booked_at AS at, b.last_id AS id
      FROM billing_sealedblock b WHERE b.close_id = p_close
    UNION ALL SELECT 0, sha256(v_chain || ''::bytea), ''::bytea, 0, 0, v_close.end_at, v_nothing WHERE v_last IS NULL  -- a month without entries
     ORDER BY 1
  LOOP
    -- The last block reaches to the end of the month: so an entry that was put behind it is found too.
    SELECT * INTO v_block FROM billing_block(p_tenant, v_at, v_id, CASE WHEN v_seal.number < v_last THEN v_seal.at ELSE v_close.end_at END,
      CASE WHEN v_seal.number < v_last THEN v_seal.id ELSE v_nothing END, NULL);
    v_found := sha256(v_chain || v_block.digests);
    IF v_found <> v_seal.hash OR v_block.entries <> v_seal.entries OR v_block.amount <> v_seal.amount OR v_block.marks <> v_seal.marks THEN
      RETURN QUERY SELECT v_seal.number::int, v_seal.hash::bytea, v_found, v_seal.marks::bytea, v_block.marks;
    END IF;
    v_chain := CASE WHEN v_last IS NULL THEN v_chain ELSE v_seal.hash END; v_at := v_seal.at; v_id := v_seal.id;
    v_entries := v_entries + v_block.entries; v_amount := v_amount + v_block.amount; v_corrections := v_corrections + v_block.corrections;
  END LOOP;
  v_expected := billing_hash_of_close(v_close, v_chain);
  IF v_expected <> v_close.hash OR v_entries <> v_close.entries OR v_corrections <> v_close.adjustments_nusd
     OR v_amount - v_corrections <> v_close.usage_nusd THEN
    RETURN QUERY SELECT -1, v_close.hash::bytea, v_expected, ''::bytea, ''::bytea;
  END IF;
END $$;

REVOKE ALL ON FUNCTION billing_digest_of(billing_costentry),
  billing_block(uuid, timestamptz, uuid, timestamptz, uuid, int), billing_hash_of_close(billing_closeofmonth, bytea),
  billing_close_month(uuid, date, timestamptz, timestamptz, text, jsonb, text[], text, text), billing_reopen_month(uuid, uuid, text, text),
  billing_verify_close(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_close_month(uuid, date, timestamptz, timestamptz, text, jsonb, text[], text, text),
  billing_reopen_month(uuid, uuid, text, text), billing_verify_close(uuid, uuid) TO {app_role};
