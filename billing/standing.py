"""How the budget windows that would bind a call are asked for, whoever asks: reports (a page, a check) and the one road (a callback)."""

import json
from collections.abc import Sequence
from uuid import UUID

STANDING = """SELECT name, scope, subject, period, action, limit_nusd, spent_nusd, held_nusd, start_at, end_at
  FROM billing_standing(%s::jsonb, %s)"""
"""Takes `standing_batch` and the instant; answers the fields of a WindowSum."""


def standing_batch(
    *, tenant_id: UUID, zone: str, end_user_id: UUID | None, end_user_name: str | None, api_key: str | None, tier: str | None, tags: Sequence[str]
) -> str:
    """Return one subject as billing_standing takes it."""
    item = {
        "tenant": str(tenant_id), "zone": zone, "end_user": str(end_user_id) if end_user_id else None, "end_user_name": end_user_name or None,
        "api_key": api_key, "tier": tier, "tags": list(dict.fromkeys(tags)),
    }  # fmt: skip
    return json.dumps([item])
