"""The mails of report schedules: when one is due, its file is asked for, and when the file can be had, its recipients get a link to it."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.urls import reverse

from billing.alerting import ReportNotSent, end_alerts, raise_alert, restate
from billing.alerting.raising import supersede
from billing.alerting.sending import MailParcel, send
from billing.engine.alerts.events import AlertKind
from billing.exports.links import sign
from billing.exports.parquet import ParquetMissing
from billing.exports.work import ask_for
from billing.models import ExportJob, ReportSchedule
from cascade.catalog import names_of_models
from cascade.reporting import NOTHING, alerts_of, move_on, wanted_of
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import current_tenant_id, platform_scope, tenant_scope

log = logging.getLogger(__name__)
State = ExportJob.State
GIVEN_UP_AFTER = timedelta(hours=24)
"""So long a mail that cannot be sent is tried again."""
COUNTED = ("cost_entries", "focus")
"""Files whose entries are counted before they are made."""
UNEXPECTED = "The file could not be made. The worker's log says more."


def run_schedules(*, now: datetime) -> int:
    """Ask for the files that are due, and send those that can be had. Returns how many mails left. Safe to run any time.

    Each schedule has a transaction of its own, so that what goes wrong with one neither stops another nor sends its mail again. A worker that is
    killed after a mail left and before that is noted sends it once more: twice is better than never.
    """
    with platform_scope():
        due = list(ReportSchedule.objects.filter(due_at__lte=now, is_active=True, tenant__is_active=True).values_list("tenant_id", "pk"))
    return sum(_run_alone(tenant_id, pk, now=now) for tenant_id, pk in due)


def _run_alone(tenant_id: UUID, pk: UUID, *, now: datetime) -> bool:
    try:
        with tenant_scope(tenant_id):
            schedule = _locked(pk, now=now)
            return schedule is not None and _run(schedule, now=now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("report %s of tenant %s failed", pk, tenant_id)
    with tenant_scope(tenant_id):
        schedule = _locked(pk, now=now)
        return schedule is not None and _failed(schedule, UNEXPECTED, now=now)


def _locked(pk: UUID, *, now: datetime) -> ReportSchedule | None:
    """The schedule, if it is due still and no other worker has it."""
    due = ReportSchedule.objects.filter(pk=pk, due_at__lte=now, is_active=True)
    return due.select_for_update(skip_locked=True, of=("self",)).first()


def _run(schedule: ReportSchedule, *, now: datetime) -> bool:
    export = schedule.export
    if export is None:
        try:
            export = ask_for(
                wanted_of(schedule, schedule.first, schedule.last), actor=f"schedule {schedule.name}", now=now, catalog=names_of_models()
            )  # fmt: skip
        except (Conflict, ValueError, ParquetMissing) as wrong:
            return _failed(schedule, str(wrong), now=now)
        schedule.export = export
        schedule.save(update_fields=["export"])
    if export.state in (State.WAITING, State.RUNNING):
        return now - schedule.due_at > GIVEN_UP_AFTER and _failed(schedule, "The file is not written yet.", now=now)
    if export.state not in (State.READY, State.DONE):
        return _failed(schedule, f"The file is {export.state}. {export.failure}".strip(), now=now, is_final=True)
    if export.what in COUNTED and not export.rows_expected:
        return _over(schedule, failure=f"{NOTHING} from {schedule.first} to {schedule.last}: no mail was sent.", now=now)
    outcome = send(_mail(schedule, export, now=now))
    if not outcome.is_ok:
        return _failed(schedule, f"The mail was not sent: {outcome.problem}.", now=now)
    schedule.sent_at = now
    _over(schedule, failure="", now=now)
    end_alerts(kind=AlertKind.REPORT_NOT_SENT, subject=str(schedule.pk), now=now)
    return True


def _mail(schedule: ReportSchedule, export: ExportJob, *, now: datetime) -> MailParcel:
    token, until = sign(tenant_id=schedule.tenant_id, export_id=export.pk, now=now)
    tenant = Tenant.objects.get(pk=current_tenant_id())
    days = f"{schedule.first:%-d %B %Y}" if schedule.first == schedule.last else f"{schedule.first:%-d %B} to {schedule.last:%-d %B %Y}"
    subject = " ".join(f"{tenant.name}: {schedule.name}, {days}".split())
    body = (
        f"{schedule.name} of {tenant.name}, {days} ({tenant.time_zone}).\n\n"
        f"{export.file_name}:\n{settings.SITE_URL}{reverse('export-file', args=[token])}\n\n"
        f"The link needs no login and works until {until:%-d %B %Y %H:%M} UTC: pass it on with care.\n"
    )
    return MailParcel(subject=subject, body=body, headers={"auto-submitted": "auto-generated"}, recipients=list(dict.fromkeys(schedule.recipients)))


def _failed(schedule: ReportSchedule, why: str, *, now: datetime, is_final: bool = False) -> bool:
    """What fails is tried again for a day."""
    log.warning("report %s of tenant %s: %s", schedule.pk, schedule.tenant_id, why)
    is_final = is_final or now - schedule.due_at > GIVEN_UP_AFTER
    _tell(schedule, why, now=now, tried_until=None if is_final else schedule.due_at + GIVEN_UP_AFTER)
    if is_final:
        return _over(schedule, failure=why, now=now)
    schedule.failure = why[:500]
    schedule.save(update_fields=["failure"])
    return False


def _tell(schedule: ReportSchedule, why: str, *, now: datetime, tried_until: datetime | None) -> None:
    """One alert of what was due, however often it is tried; it takes the place of that of an earlier one."""
    event = ReportNotSent(
        schedule=schedule.pk, name=schedule.name, first=schedule.first, last=schedule.last, due_at=schedule.due_at, reason=why[:500], failed_at=now,
        tried_until=tried_until,
    )  # fmt: skip
    supersede(alerts=alerts_of(schedule).exclude(key=event.key), now=now)
    if raise_alert(event=event, now=now) is None:
        restate(event=event)


def _over(schedule: ReportSchedule, *, failure: str, now: datetime) -> bool:
    """This period's report is over and done with; those that were missed meanwhile are left out."""
    schedule.failure, schedule.export = failure[:500], None
    move_on(schedule, after=now)
    schedule.save(update_fields=["failure", "export", "due_at", "first", "last", "sent_at"])
    return False
