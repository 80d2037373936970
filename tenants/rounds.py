"""Rounds: the same work for many tenants, each in its own scope. One that fails stops no other."""

import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded

from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope

log = logging.getLogger(__name__)


class RoundIncomplete(Exception):
    """The work is done for all tenants but some, whose reasons are in the log."""


def active_tenants() -> list[tuple[UUID, str]]:
    """Return the id and the time zone of every tenant that is active."""
    with platform_scope():
        return list(Tenant.objects.filter(is_active=True).values_list("pk", "time_zone"))


def go_round(tenants: Iterable[tuple[UUID, str]], work: Callable[[str], int]) -> int:
    """Do `work`, which gets the time zone and returns a count, in the scope of each tenant, and return the counts' sum.

    What a failing tenant's work wrote is rolled back. When all had their turn, raises RoundIncomplete for those that failed, so that a job is
    seen to fail and tries again: work that is done changes nothing then. A job whose time is up ends at once. That a demo was deleted meanwhile is
    no failure.
    """
    done, failed = 0, []
    for tenant_id, zone in tenants:
        try:
            with tenant_scope(tenant_id):
                done += work(zone)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            if _is_gone(tenant_id):
                continue
            log.exception("tenant %s had to be left out", tenant_id)
            failed.append(tenant_id)
    if failed:
        raise RoundIncomplete(f"it failed for {len(failed)} tenants, such as {failed[0]}; the log says why")
    return done


def _is_gone(tenant_id: UUID) -> bool:
    with platform_scope():
        return not Tenant.objects.filter(pk=tenant_id).exists()
