"""How a connection has been doing in the last minutes, from what was booked and from the traces: true across processes and restarts."""

from datetime import datetime, timedelta
from typing import Literal

from django.db import connection
from msgspec import Struct

from billing import reports
from tenants.scoping import current_tenant_id

DEGRADED_SHARE, FAILING_SHARE = 0.1, 0.5
NO_FAULT_OF_THE_PROVIDER = ("provider_refused", "circuit_open", "deadline_passed")
"""The request was wrong, or nobody was asked."""
TRY_ERRORS = """
    SELECT said ->> 'error_code', count(*)
      FROM cascade_cascaderun run CROSS JOIN LATERAL jsonb_array_elements(run.steps) step
      CROSS JOIN LATERAL jsonb_array_elements(coalesce(step -> 'tries', '[]')) said
     WHERE run.tenant_id = %s AND run.started_at >= %s AND said ->> 'provider' = %s AND said ->> 'error_code' IS NOT NULL
     GROUP BY 1 ORDER BY 2 DESC, 1
"""


class ProviderHealth(Struct, frozen=True, kw_only=True):
    """One connection's last minutes."""

    state: Literal["idle", "healthy", "degraded", "failing"]
    failure_share: float | None
    """Of the calls that say something of the provider; None where there were none."""
    failures: int
    counted: int
    """How many failed, of how many calls that say something."""
    calls: reports.ProviderCalls
    error_codes: dict[str, int]
    """How often each error code came, from the traces of the runs."""


def health_of(*, provider: str, minutes: int, now: datetime) -> ProviderHealth:
    """Return the health of a connection of the scope's tenant over the last minutes.

    Refused requests, and calls that were not made because the connection was left alone, count neither for nor against it.
    Worked number: 40 calls, of which 4 were refused and 9 failed, are 9 of 36: 0.25, degraded.
    """
    since = now - timedelta(minutes=minutes)
    calls, errors = reports.calls_of_provider(provider=provider, since=since), _errors(provider, since)
    aside = min(sum(errors.get(code, 0) for code in NO_FAULT_OF_THE_PROVIDER), calls.unbilled)
    failures, counted = calls.unbilled + calls.uncertain - aside, calls.calls - aside
    share = round(failures / counted, 4) if counted else None
    return ProviderHealth(state=_state(share), failure_share=share, failures=failures, counted=counted, calls=calls, error_codes=errors)


def _state(share: float | None) -> Literal["idle", "healthy", "degraded", "failing"]:
    if share is None:
        return "idle"
    return "healthy" if share < DEGRADED_SHARE else "degraded" if share < FAILING_SHARE else "failing"


def _errors(provider: str, since: datetime) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(TRY_ERRORS, [current_tenant_id(), since, provider])
        return dict(cursor.fetchall())
