-- An owner says that it lives, for so many seconds from now, and counts one beat of the ledger. p_known: the highest count that the owner
-- knows of this ledger. A lower one in the database means that it was restored from a backup: spend that was booked since is forgotten, so
-- budgets that block refuse from now on (billing_reserve) until an operator resumes (billing_resume).
DROP FUNCTION IF EXISTS billing_say_alive(text, int);  -- it returns the count now
CREATE OR REPLACE FUNCTION billing_say_alive(p_owner text, p_seconds int, p_ledger uuid, p_known bigint)
RETURNS TABLE (ledger uuid, beats bigint, is_rewound boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO billing_ledgerowner (name, alive_until) VALUES (p_owner, clock_timestamp() + make_interval(secs => p_seconds))
  ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until;
  RETURN QUERY
  UPDATE billing_ledgerstate s
     SET beats = greatest(s.beats, CASE WHEN s.id = p_ledger THEN p_known ELSE 0 END) + 1,
         rewound_at = CASE WHEN s.id = p_ledger AND s.beats < p_known THEN coalesce(s.rewound_at, clock_timestamp()) ELSE s.rewound_at END
  RETURNING s.id, s.beats, s.rewound_at IS NOT NULL;
END $$;

-- An operator has reconciled, or accepts what was forgotten: budgets that block admit again.
CREATE OR REPLACE FUNCTION billing_resume(p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE billing_ledgerstate s SET rewound_at = NULL, resumed_at = clock_timestamp(), resumed_by = p_actor, reason = p_reason
   WHERE s.rewound_at IS NOT NULL;
  RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION billing_say_alive(text, int, uuid, bigint), billing_resume(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_say_alive(text, int, uuid, bigint), billing_resume(text, text) TO {app_role};
