-- Sums of the runs of one day (of the tenant's time zone), one dimension at a time: raised in the transaction that writes the traces.
-- Shadows served nobody and are not in them.
CREATE OR REPLACE FUNCTION cascade_sum_runs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO cascade_runday AS d (tenant_id, day, dimension, value, runs, failed, judged, accepted, cost_nusd, compared_nusd, baseline_nusd,
                                   by_cache_nusd, by_price_nusd, by_degrade_nusd, latency_ms)
  SELECT r.tenant_id, (r.started_at AT TIME ZONE t.time_zone)::date, v.dimension, v.value, count(*), count(*) FILTER (WHERE r.status = 'failed'),
         count(r.draft_accepted), count(*) FILTER (WHERE r.draft_accepted), sum(r.cost_nusd),
         coalesce(sum(r.cost_nusd) FILTER (WHERE r.baseline_nusd IS NOT NULL), 0), coalesce(sum(r.baseline_nusd), 0),
         sum(r.saved_by_cache_nusd), sum(r.saved_by_price_nusd),
         coalesce(sum(r.baseline_nusd - r.cost_nusd - r.saved_by_cache_nusd - r.saved_by_price_nusd) FILTER (WHERE r.status = 'degraded'), 0),
         round(sum(r.latency_ms))
    FROM recorded r JOIN tenants_tenant t ON t.id = r.tenant_id CROSS JOIN LATERAL (
      VALUES ('all', ''), ('end_user', coalesce(r.end_user_id::text, '')), ('tier', r.tier), ('model', r.model_used), ('domain', r.domain),
             ('api_key', coalesce(r.api_key_id::text, '')), ('preset', left(r.policy_version, 100))
      UNION ALL SELECT 'rule', jsonb_object_keys(r.domain_evidence -> 'met')
    ) AS v(dimension, value)
   WHERE r.status <> 'shadow'
   GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4  -- one order, so that two batches cannot wait for each other
  ON CONFLICT (tenant_id, day, dimension, value) DO UPDATE
     SET runs = d.runs + excluded.runs, failed = d.failed + excluded.failed, judged = d.judged + excluded.judged,
         accepted = d.accepted + excluded.accepted, cost_nusd = d.cost_nusd + excluded.cost_nusd,
         compared_nusd = d.compared_nusd + excluded.compared_nusd, baseline_nusd = d.baseline_nusd + excluded.baseline_nusd,
         by_cache_nusd = d.by_cache_nusd + excluded.by_cache_nusd, by_price_nusd = d.by_price_nusd + excluded.by_price_nusd,
         by_degrade_nusd = d.by_degrade_nusd + excluded.by_degrade_nusd, latency_ms = d.latency_ms + excluded.latency_ms;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER sum_runs AFTER INSERT ON cascade_cascaderun REFERENCING NEW TABLE AS recorded
  FOR EACH STATEMENT EXECUTE FUNCTION cascade_sum_runs();
REVOKE ALL ON FUNCTION cascade_sum_runs() FROM PUBLIC;
