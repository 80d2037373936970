-- Writes a batch of run traces. A trace is no money: its commit need not wait for the disk.
CREATE OR REPLACE FUNCTION cascade_record_runs(p_batch jsonb) RETURNS TABLE (item int, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO cascade_cascaderun (id, tenant_id, status, end_user_id, api_key_id, tier, preset, policy_version, arm, shadow_of, domain,
    domain_confidence, domain_evidence, complexity, model_used, draft_accepted, score, cost_nusd, baseline_nusd, baseline_model,
    saved_by_cache_nusd, saved_by_price_nusd, latency_ms, first_token_ms, steps, error_code, tags, started_at)
  SELECT r.id, r.tenant_id, r.status, r.end_user_id, r.api_key_id, r.tier, r.preset, r.policy_version, COALESCE(r.arm, ''), r.shadow_of, r.domain,
         r.domain_confidence, r.domain_evidence, r.complexity, r.model_used, r.draft_accepted, r.score, r.cost_nusd, r.baseline_nusd,
         COALESCE(r.baseline_model, ''), COALESCE(r.saved_by_cache_nusd, 0), COALESCE(r.saved_by_price_nusd, 0), r.latency_ms, r.first_token_ms,
         r.steps, r.error_code, ARRAY(SELECT jsonb_array_elements_text(r.tags)), r.started_at
    FROM jsonb_to_recordset(p_batch) AS r(id uuid, tenant_id uuid, status text, end_user_id uuid, api_key_id uuid, tier text, preset text,
           policy_version text, arm text, shadow_of uuid, domain text, domain_confidence float8, domain_evidence jsonb, complexity text,
           model_used text, draft_accepted boolean, score float8, cost_nusd bigint, baseline_nusd bigint, baseline_model text,
           saved_by_cache_nusd bigint,
           saved_by_price_nusd bigint, latency_ms float8, first_token_ms float8, steps jsonb, error_code text,
           tags jsonb, started_at timestamptz);
  RETURN QUERY SELECT i::int, 'recorded' FROM generate_series(1, jsonb_array_length(p_batch)) i;
END $$;
REVOKE ALL ON FUNCTION cascade_record_runs(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cascade_record_runs(jsonb) TO {app_role};
