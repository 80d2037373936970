"""What is done with report schedules beside the list and the form: sent now, paused, copied, deleted."""

from functools import partial
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing.models import ReportSchedule
from cascade.reporting import change_schedule, create_schedule, delete_schedule, send_now
from dashboards.resources import carry_out, told
from dashboards.screens.schedules import Schedules
from dashboards.shell import membership_of
from tenants.errors import Conflict

SCHEDULES = Schedules()


def send(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Let the file of the newest period that is over be sent by the worker's next round."""
    schedule, now = _locked(pk), timezone.now()
    try:
        do = partial(send_now, schedule=schedule, now=now)
        done = carry_out(SCHEDULES, verb="send", before=SCHEDULES.describe(schedule), do=do, membership=membership_of(request))
        days = f"{done.first:%-d %B %Y}" if done.first == done.last else f"{done.first:%-d %B} to {done.last:%-d %B %Y}"
        messages.success(request, f"{done}, {days}, leaves within two minutes.")
    except Conflict as wrong:
        messages.error(request, told(wrong))
    return redirect(_panel_of(request, pk))


def pause(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Send nothing for now, or go on with what is due next."""
    schedule = _locked(pk)
    before = SCHEDULES.describe(schedule)
    schedule.is_active = not schedule.is_active
    try:
        do = partial(change_schedule, schedule=schedule, now=timezone.now())
        done = carry_out(SCHEDULES, verb="change", before=before, do=do, membership=membership_of(request))
        messages.success(request, f"{done} is {'in force again' if done.is_active else 'paused: nothing is sent'}.")
    except ValidationError as wrong:
        messages.error(request, told(wrong))
    return redirect(_panel_of(request, pk))


def copy(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Make a paused twin, to be changed and then resumed."""
    schedule, membership = get_object_or_404(ReportSchedule, pk=pk), membership_of(request)
    same = {name: getattr(schedule, name) for name in ("wanted", "every", "working_day", "hour", "recipients")}
    twin = ReportSchedule(name=f"Copy of {schedule.name}"[:200], is_active=False, created_by=membership.user.email[:200], **same)
    try:
        do = partial(create_schedule, schedule=twin, now=timezone.now())
        done = carry_out(SCHEDULES, verb="create", before={}, do=do, membership=membership)
    except (ValidationError, Conflict) as wrong:
        messages.error(request, told(wrong))
        return redirect(_panel_of(request, pk))
    messages.success(request, "This is the copy. It sends nothing before it is in force.")
    return redirect(reverse("reports_schedules_edit", args=[membership.tenant.slug, done.pk]))


def delete(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    schedule = _locked(pk)

    def do() -> ReportSchedule:
        delete_schedule(schedule=schedule, now=timezone.now())
        return schedule

    carry_out(SCHEDULES, verb="delete", before=SCHEDULES.describe(schedule), do=do, membership=membership_of(request))
    messages.success(request, f"{schedule} is deleted. Files that it made stay until their time is over.")
    return redirect(reverse("reports_schedules", args=[membership_of(request).tenant.slug]))


def _locked(pk: UUID) -> ReportSchedule:
    return get_object_or_404(ReportSchedule.objects.select_for_update(), pk=pk)


def _panel_of(request: HttpRequest, pk: UUID) -> str:
    return f"{reverse('reports_schedules', args=[membership_of(request).tenant.slug])}?sel={pk}"
