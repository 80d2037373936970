"""Work outside requests that knows of answers: see billing/jobs.py."""

from datetime import datetime, timedelta

from billing.jobs import job
from cascade.alarms import watch_tenants
from cascade.report_mails import run_schedules
from cascade.samples.filling import fill_waiting


@job(name="cascade.watch_tenants", every=timedelta(minutes=1), limit_s=300)
def watch_all_tenants(now: datetime) -> str:
    return f"raised {watch_tenants(now=now)} alerts"


@job(name="cascade.send_reports", every=timedelta(minutes=1), limit_s=300)
def send_reports_that_are_due(now: datetime) -> str:
    return f"sent {run_schedules(now=now)} reports"


@job(name="cascade.fill_demos", every=timedelta(seconds=5), limit_s=300)
def fill_demos_that_wait(now: datetime) -> str:
    return f"filled {fill_waiting(now=now)} demos"
