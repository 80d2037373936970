"""Fills demos: what they have set up, their past, and what is found in it. Work of the worker, which goes on where a killed run stopped."""

import json
import logging
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from celery.exceptions import SoftTimeLimitExceeded

from billing.anomalies import look_back
from billing.forecasts import forecast_tenant
from billing.models import Budget, Reservation
from billing.quarters import sum_quarters_again
from cascade.provisioning import provision
from cascade.samples.book import Book
from cascade.samples.companies import DEMO, KEYS, Company, document_of, variable_of
from cascade.samples.traffic import strange_days
from tenants.keys import new_key
from tenants.models import Demo, Tenant
from tenants.rounds import RoundIncomplete
from tenants.scoping import platform_scope, tenant_scope

log = logging.getLogger(__name__)
DAYS = 90
OPEN = (Demo.State.WAITING, Demo.State.FILLING, Demo.State.LOOKING)


def fill_waiting(*, now: datetime, days: int = DAYS) -> int:
    """Fill every demo that waits, or that a killed run has left. Returns how many; raises RoundIncomplete for those that failed."""
    with platform_scope():
        waiting = list(Demo.objects.filter(state__in=OPEN).order_by("asked_at"))
    failed = 0
    for demo in waiting:
        try:
            _fill(demo, days=days, now=now)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            log.exception("the demo %s could not be filled", demo.tenant_id)
            failed += _tell(demo, Demo.State.FAILED)  # none, where it was deleted meanwhile
    if failed:
        raise RoundIncomplete(f"{failed} demos could not be filled; the log says why")
    return len(waiting)


def _fill(demo: Demo, *, days: int, now: datetime) -> None:
    _tell(demo, Demo.State.FILLING)
    make_past(tenant_id=demo.tenant_id, company=DEMO, days=days, now=now)
    _tell(demo, Demo.State.LOOKING)
    look_at_past(tenant_id=demo.tenant_id, company=DEMO, now=now)
    _tell(demo, Demo.State.READY)


def _tell(demo: Demo, state: Demo.State) -> int:
    with tenant_scope(demo.tenant_id):
        return Demo.objects.filter(pk=demo.pk).update(state=state)


def make_past(*, tenant_id: UUID, company: Company, days: int, now: datetime) -> Book | None:
    """Set a demo up as the company is, and book its last `days` days, in one transaction. Returns the book; None where that was done before."""
    with tenant_scope(tenant_id):
        tenant = Tenant.objects.get(pk=tenant_id)
        if Reservation.objects.exists():
            return None
        begun = now - timedelta(days=days + 1)
        secrets = {variable_of(name): new_key() for name in KEYS}  # nobody ever has them: they would call nobody
        provision(text=json.dumps({"tenants": [document_of(company, slug=tenant.slug)]}), environment=secrets, now=begun)
        Budget.objects.update(created_at=begun)
        Tenant.objects.filter(pk=tenant.pk).update(created_at=begun)
        book = Book(company, tenant)
        book.fill(first=_today(tenant, now) - timedelta(days=days - 1), now=now)
        book.write()
    return book


def look_at_past(*, tenant_id: UUID, company: Company, now: datetime) -> None:
    """Do at once what the jobs would have done meanwhile: sums of quarters, forecasts, and a look at the days on which something was different.
    Whether that is an anomaly, the rules say that hold for all. Again changes nothing."""
    with tenant_scope(tenant_id):
        tenant = Tenant.objects.get(pk=tenant_id)
        today = _today(tenant, now)
        sum_quarters_again(now=now)
        look_back(days=strange_days(company, today=today), zone=tenant.time_zone)
        forecast_tenant(today=today)


def _today(tenant: Tenant, now: datetime) -> date:
    return now.astimezone(ZoneInfo(tenant.time_zone)).date()
