"""Reports by mail: when a schedule is due, its file is asked for, and when the file can be had, its recipients get a link to it."""

import logging
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse

from billing.alerting.sending import MailParcel, send
from billing.engine.schedules import Every, newest_over, next_due
from billing.exports.links import sign
from billing.exports.parquet import ParquetMissing, pyarrow
from billing.exports.wanted import Wanted
from billing.exports.work import ask_for
from billing.models import ExportJob, ReportSchedule
from cascade.catalog import names_of_models
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import current_tenant_id, platform_scope, tenant_scope

log = logging.getLogger(__name__)
State = ExportJob.State
MOST_SCHEDULES, MOST_RECIPIENTS = 50, 20
GIVEN_UP_AFTER = timedelta(hours=24)
"""So long a mail that cannot be sent is tried again."""
COUNTED = ("cost_entries", "focus")
"""Files whose entries are counted before they are made."""
DAYS = (date(2000, 1, 1), date(2000, 1, 1))
NOTHING = "Nothing was booked"
"""How `failure` begins where all is well, and there is no file to send."""
UNEXPECTED = "The file could not be made. The worker's log says more."


def create_schedule(*, schedule: ReportSchedule, now: datetime) -> ReportSchedule:
    """Store a new schedule, due when the running period is over. Raises ValidationError, and Conflict where there are too many."""
    if ReportSchedule.objects.count() >= MOST_SCHEDULES:
        raise Conflict(f"There are {MOST_SCHEDULES} schedules already: delete one first.", code="too_many_schedules")
    return change_schedule(schedule=schedule, now=now)


def change_schedule(*, schedule: ReportSchedule, now: datetime) -> ReportSchedule:
    """Store a schedule that was changed, and when it is due by now. Raises ValidationError for what no file could hold.

    A report that was due and is not sent yet is made anew and stays due, unless when it comes was changed, or it was paused meanwhile.
    """
    if not 1 <= len(set(schedule.recipients)) <= MOST_RECIPIENTS:
        raise ValidationError({"recipients": f"Name 1 to {MOST_RECIPIENTS} email addresses."})
    try:
        if wanted_of(schedule, *DAYS).checked().format == "parquet":
            pyarrow()
    except (ValueError, msgspec.ValidationError, ParquetMissing) as wrong:
        raise ValidationError({"wanted": str(wrong)}) from wrong
    if not _is_under_way(schedule, now=now):
        _move_on(schedule, after=now)
    schedule.export = None
    schedule.save()
    return schedule


def send_now(*, schedule: ReportSchedule, now: datetime) -> ReportSchedule:
    """Let the file of the newest period that is over be sent at once, beside those that come when they are due. Raises Conflict for a paused one."""
    if not schedule.is_active:
        raise Conflict("This schedule is paused: resume it first.", code="schedule_paused")
    first, last = newest_over(every=Every(schedule.every), today=now.astimezone(ZoneInfo(_zone())).date())
    schedule.due_at, schedule.first, schedule.last, schedule.export, schedule.failure = now, first, last, None, ""
    schedule.save(update_fields=["due_at", "first", "last", "export", "failure"])
    return schedule


def delete_schedule(*, schedule: ReportSchedule) -> None:
    """Send nothing of it any more. Files that it made stay until their time is over."""
    ReportSchedule.objects.filter(pk=schedule.pk).delete()


def run_schedules(*, now: datetime) -> int:
    """Ask for the files that are due, and send those that can be had. Returns how many mails left. Safe to run any time.

    Each schedule has a transaction of its own, so that what goes wrong with one neither stops another nor sends its mail again. A worker that is
    killed after a mail left and before that is noted sends it once more: twice is better than never.
    """
    with platform_scope():
        due = list(ReportSchedule.objects.filter(due_at__lte=now, is_active=True, tenant__is_active=True).values_list("tenant_id", "pk"))
    return sum(_run_alone(tenant_id, pk, now=now) for tenant_id, pk in due)


def wanted_of(schedule: ReportSchedule, first: date, last: date) -> Wanted:
    return msgspec.convert({**schedule.wanted, "first": first.isoformat(), "last": last.isoformat()}, Wanted)


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
        return False
    if export.state not in (State.READY, State.DONE):
        return _failed(schedule, f"The file is {export.state}. {export.failure}".strip(), now=now, is_final=True)
    if export.what in COUNTED and not export.rows_expected:
        return _over(schedule, failure=f"{NOTHING} from {schedule.first} to {schedule.last}: no mail was sent.", now=now)
    outcome = send(_mail(schedule, export, now=now))
    if not outcome.is_ok:
        return _failed(schedule, f"The mail was not sent: {outcome.problem}.", now=now)
    schedule.sent_at = now
    _over(schedule, failure="", now=now)
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
    if is_final or now - schedule.due_at > GIVEN_UP_AFTER:
        return _over(schedule, failure=why, now=now)
    schedule.failure = why[:500]
    schedule.save(update_fields=["failure"])
    return False


def _over(schedule: ReportSchedule, *, failure: str, now: datetime) -> bool:
    """This period's report is over and done with; those that were missed meanwhile are left out."""
    schedule.failure, schedule.export = failure[:500], None
    _move_on(schedule, after=now)
    schedule.save(update_fields=["failure", "export", "due_at", "first", "last", "sent_at"])
    return False


def _is_under_way(schedule: ReportSchedule, *, now: datetime) -> bool:
    """Was it due before it was changed, and comes as it came?"""
    same = {name: getattr(schedule, name) for name in ("is_active", "every", "working_day", "hour")}
    return schedule.is_active and ReportSchedule.objects.filter(pk=schedule.pk, due_at__lte=now, **same).exists()


def _move_on(schedule: ReportSchedule, *, after: datetime) -> None:
    due = next_due(every=Every(schedule.every), working_day=schedule.working_day, hour=schedule.hour, zone=_zone(), after=after)
    schedule.due_at, schedule.first, schedule.last = due


def _zone() -> str:
    return Tenant.objects.get(pk=current_tenant_id()).time_zone

