INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
  input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id, tier, domain, preset,
  tags, actor, reason, reference, occurred_at, occurred_on, booked_at)
SELECT uuidv7(), %s, 'settled', gen_random_uuid(), 0, 1, n, 'draft', 'accepted', 'openai', 'mini', 'v1', 1, 0, 0, 1, 0, false, '', '', '', '', '{}',
       '', '', '', at, at::date, at
  FROM (SELECT n, '2026-08-02Z'::timestamptz + n * interval '1 minute' AS at FROM generate_series(1, %s) n) e
