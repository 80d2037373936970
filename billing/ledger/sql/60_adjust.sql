-- Posts corrections of what is booked, each on one attempt of a leg of a closed hold. Items: {tenant, reservation, leg, attempt, amount,
-- input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, price_version, actor, reason, reference, after};
-- the amount and the counts of tokens are differences to what is booked. Answers one row an item:
--   posted    booked as an adjustment; what is more and does not fit a window, as an overrun; what is less takes overruns back first
--   again     the attempt has a correction of this reference: nothing is done
--   changed   something was booked since `after`, the newest entry of the attempt that the caller knows of: look again
--   open      the hold is still open
--   too_low   it would take back more than is booked
--   unknown   the tenant has no such hold, or nothing is booked for the attempt
CREATE OR REPLACE FUNCTION billing_adjust(p_batch jsonb) RETURNS TABLE (item int, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET lock_timeout = '5s' AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_ids uuid[] := ARRAY(SELECT DISTINCT (i ->> 'reservation')::uuid FROM jsonb_array_elements(p_batch) i);
  v_status text[] := '{}'; v_entries jsonb[] := '{}'; v_raised bigint[] := '{}';
  v_touched text[] := '{}'; v_posted text[] := '{}';  -- attempts, and their references, that this batch has corrected
  v_asked record; v_line record; v_room bigint; v_least bigint; v_back bigint; v_rest bigint; v_overrun bigint; v_key text;
  v_meters text[] := '{input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens}';
BEGIN
  PERFORM billing_lock_holds(v_ids);
  PERFORM billing_lock_windows_of(v_ids);
  FOR v_asked IN
    SELECT i.value AS item, r.id AS hold, r.state, r.window_ids, (i.value ->> 'leg')::smallint AS leg,
           coalesce((i.value ->> 'attempt')::smallint, 1) AS attempt, (i.value ->> 'amount')::bigint AS amount,
           i.value ->> 'reference' AS reference, (i.value ->> 'after')::uuid AS after
      FROM jsonb_array_elements(p_batch) WITH ORDINALITY AS i(value, ord)
      LEFT JOIN billing_reservation r ON r.id = (i.value ->> 'reservation')::uuid AND r.tenant_id = (i.value ->> 'tenant')::uuid
     ORDER BY i.ord
  LOOP
    IF coalesce(v_asked.reference, '') = '' OR coalesce(v_asked.item ->> 'actor', '') = '' OR coalesce(v_asked.item ->> 'reason', '') = '' THEN
      RAISE EXCEPTION 'an adjustment says who posts it, why, and by which reference' USING ERRCODE = 'CF004';
    END IF;
    v_key := concat_ws(' ', v_asked.hold, v_asked.leg, v_asked.attempt);
    SELECT count(*) FILTER (WHERE c.kind NOT IN ('adjustment', 'overrun')) AS originals,
           coalesce(sum(c.amount_nusd) FILTER (WHERE c.kind <> 'overrun'), 0)::bigint AS spent,
           coalesce(sum(c.amount_nusd) FILTER (WHERE c.kind = 'overrun'), 0)::bigint AS overrun,
           (array_agg(c.id ORDER BY c.id DESC))[1] AS newest, bool_or(c.reference = v_asked.reference) AS is_there
      INTO v_line FROM billing_costentry c
     WHERE c.reservation_id = v_asked.hold AND c.leg = v_asked.leg AND c.attempt = v_asked.attempt;
    v_status := v_status || CASE
      WHEN v_asked.hold IS NULL THEN 'unknown' WHEN v_asked.state = 'open' THEN 'open' WHEN v_line.originals = 0 THEN 'unknown'
      WHEN v_line.is_there OR concat_ws(' ', v_key, v_asked.reference) = ANY (v_posted) THEN 'again'
      WHEN v_asked.after <> v_line.newest OR v_key = ANY (v_touched) THEN 'changed' ELSE 'posted' END;
    CONTINUE WHEN v_status[cardinality(v_status)] <> 'posted';

    SELECT min(w.cap_high_nusd - w.spent_nusd - w.held_nusd), min(w.spent_nusd) INTO v_room, v_least
      FROM billing_budgetwindow w WHERE w.id = ANY (v_asked.window_ids);
    v_back := least(v_line.overrun, greatest(-v_asked.amount, 0));
    v_rest := v_asked.amount + v_back;
    IF -v_rest > least(v_line.spent, v_least) THEN  -- least() passes over nulls
      v_status[cardinality(v_status)] := 'too_low';
      CONTINUE;
    END IF;
    -- More than was booked is spent where it fits, and an overrun where it does not: no window is ever over.
    v_overrun := CASE WHEN v_rest > 0 AND v_rest > v_room THEN v_rest ELSE -v_back END;
    v_rest := CASE WHEN v_overrun > 0 THEN 0 ELSE v_rest END;
    UPDATE billing_budgetwindow w SET spent_nusd = w.spent_nusd + v_rest, overrun_nusd = w.overrun_nusd + v_overrun
     WHERE w.id = ANY (v_asked.window_ids) AND (v_rest <> 0 OR v_overrun <> 0);
    IF v_rest > 0 THEN
      v_raised := v_raised || v_asked.window_ids;
    END IF;
    IF v_overrun <= 0 AND (v_rest <> 0 OR v_overrun = 0) THEN
      v_entries := v_entries || (v_asked.item || jsonb_build_object('like', v_line.newest, 'kind', 'adjustment', 'amount', v_rest));
    END IF;
    IF v_overrun <> 0 THEN  -- beside an adjustment it brings no tokens of its own
      v_entries := v_entries || (
        CASE WHEN v_rest = 0 THEN v_asked.item ELSE v_asked.item - v_meters END
        || jsonb_build_object('like', v_line.newest, 'kind', 'overrun', 'amount', v_overrun));
    END IF;
    v_touched := v_touched || v_key; v_posted := v_posted || concat_ws(' ', v_key, v_asked.reference);
  END LOOP;
  PERFORM billing_pass_marks(array_agg(w.id), v_now) FROM billing_budgetwindow w
    WHERE w.id = ANY (v_raised) AND w.spent_nusd >= w.next_mark_nusd HAVING count(*) > 0;
  PERFORM billing_book_adjustments(v_entries, v_now) WHERE cardinality(v_entries) > 0;
  RETURN QUERY SELECT n, v_status[n] FROM generate_series(1, cardinality(v_status)) n ORDER BY n;
END $$;

-- Books corrections, filed as the entry that each is `like`: the same labels, and the same day. In one statement, so that the day sums are
-- locked in one order.
CREATE OR REPLACE FUNCTION billing_book_adjustments(p_entries jsonb[], p_now timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id,
    end_user_id, api_key_id, tier, domain, preset, tags, actor, reason, reference, occurred_at, occurred_on, booked_at)
  SELECT uuidv7(), o.tenant_id, e.kind, o.reservation_id, o.leg, o.attempt, e.amount, o.step, '', o.provider, o.model,
         coalesce(left(e.price_version, 64), o.price_version), coalesce(e.input_tokens, 0), coalesce(e.cached_input_tokens, 0),
         coalesce(e.cache_write_tokens, 0), coalesce(e.output_tokens, 0), coalesce(e.reasoning_tokens, 0), false, '',
         o.end_user_id, o.api_key_id, o.tier, o.domain, o.preset, o.tags, left(e.actor, 200), e.reason, left(e.reference, 100), o.occurred_at,
         o.occurred_on, p_now
    FROM unnest(p_entries) AS b(entry)
    CROSS JOIN LATERAL jsonb_to_record(b.entry) AS e("like" uuid, kind text, amount bigint, price_version text, input_tokens bigint,
           cached_input_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint, actor text, reason text,
           reference text)
    JOIN billing_costentry o ON o.id = e."like"
$$;
REVOKE ALL ON FUNCTION billing_adjust(jsonb), billing_book_adjustments(jsonb[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_adjust(jsonb) TO {app_role};
