"""Reports that come by mail: what is asked for, when, and by whom it is got. report_mails.py sends them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from billing.alerting.raising import supersede
from billing.engine.alerts.events import AlertKind
from billing.engine.schedules import Every, newest_over, next_due
from billing.exports.parquet import ParquetMissing, pyarrow
from billing.exports.wanted import Wanted
from billing.models import Alert, ReportSchedule
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import current_tenant_id

MOST_SCHEDULES, MOST_RECIPIENTS = 50, 20
DAYS = (date(2000, 1, 1), date(2000, 1, 1))
KEPT = ("due_at", "first", "last", "sent_at", "failure")
"""What the worker writes: whoever changes a schedule may have read it before the worker's last round."""
NOTHING = "Nothing was booked"
"""How `failure` begins where all is well, and there is no file to send."""


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
    kept = ReportSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
    if kept is not None:
        for name in KEPT:
            setattr(schedule, name, getattr(kept, name))
    if kept is None or not _is_under_way(kept, schedule, now=now):
        move_on(schedule, after=now)
    schedule.export = None
    schedule.save()
    if not schedule.is_active:
        supersede(alerts=alerts_of(schedule), now=now)
    return schedule


def send_now(*, schedule: ReportSchedule, now: datetime) -> ReportSchedule:
    """Let the file of the newest period that is over be sent at once, beside those that come when they are due. Raises Conflict for a paused one."""
    if not schedule.is_active:
        raise Conflict("This schedule is paused: resume it first.", code="schedule_paused")
    first, last = newest_over(every=Every(schedule.every), today=now.astimezone(ZoneInfo(_zone())).date())
    schedule.due_at, schedule.first, schedule.last, schedule.export, schedule.failure = now, first, last, None, ""
    schedule.save(update_fields=["due_at", "first", "last", "export", "failure"])
    return schedule


def delete_schedule(*, schedule: ReportSchedule, now: datetime) -> None:
    """Send nothing of it any more. Files that it made stay until their time is over."""
    supersede(alerts=alerts_of(schedule), now=now)
    ReportSchedule.objects.filter(pk=schedule.pk).delete()


def wanted_of(schedule: ReportSchedule, first: date, last: date) -> Wanted:
    return msgspec.convert({**schedule.wanted, "first": first.isoformat(), "last": last.isoformat()}, Wanted)


def move_on(schedule: ReportSchedule, *, after: datetime) -> None:
    """Let it be due next after `after`. It is not stored by that."""
    due = next_due(every=Every(schedule.every), working_day=schedule.working_day, hour=schedule.hour, zone=_zone(), after=after)
    schedule.due_at, schedule.first, schedule.last = due


def alerts_of(schedule: ReportSchedule) -> QuerySet[Alert]:
    """Return the alerts that it was not sent which are not over."""
    return Alert.objects.filter(kind=AlertKind.REPORT_NOT_SENT, subject=str(schedule.pk)).exclude(state=Alert.State.RESOLVED)


def _is_under_way(kept: ReportSchedule, changed: ReportSchedule, *, now: datetime) -> bool:
    """Was it due before it was changed, and comes as it came?"""
    is_same = all(getattr(kept, name) == getattr(changed, name) for name in ("is_active", "every", "working_day", "hour"))
    return is_same and kept.is_active and kept.due_at <= now


def _zone() -> str:
    return Tenant.objects.get(pk=current_tenant_id()).time_zone

