"""Reports that come by mail, as a resource of the console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from billing import reports
from billing.engine.schedules import Every
from billing.models import ReportSchedule
from cascade.reporting import NOTHING, change_schedule, create_schedule
from dashboards.forms.reports import FORMATS
from dashboards.forms.schedules import WORKING_DAYS, ScheduleForm, label_of
from dashboards.resources import Column, Resource
from tenants.models import Membership
from tenants.roles import Permission

ADVERBS = {Every.DAY: "daily", Every.WEEK: "weekly", Every.MONTH: "monthly"}
FILTERS = {
    "tier": "tier", "api_key_id": "API key", "end_user_id": "end user", "model": "model", "domain": "domain", "tag": "tag", "provider": "provider",
    "preset": "preset", "step": "step", "kind": "kind",
}  # fmt: skip


class Schedules(Resource[ReportSchedule]):
    """Files that are asked for when a day, a week or a month is over."""

    name, one, title = "reports_schedules", "schedule", "Report schedules"
    columns = (
        Column(label="Schedule"), Column(label="State"), Column(label="When"), Column(label="To"), Column(label="Next"), Column(label="Last sent"),
    )  # fmt: skip
    list_template, row_template, panel_template = "console/schedules/list.html", "console/schedules/row.html", "console/schedules/panel.html"
    form_template = "console/schedules/form.html"
    ordering = ("name",)
    creates = Permission.SCHEDULE_REPORTS
    note = "Each mail has a link to the file, good for seven days and without a login. The file is of the day, week or month that is over."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[ReportSchedule]:
        return ReportSchedule.objects.select_related("export")

    def present(self, rows: Sequence[ReportSchedule], *, now: datetime) -> Sequence[Any]:
        return [{"row": row, "report": label_of(row.wanted), "when": when_of(row), "state": state_of(row, now=now)} for row in rows]

    def panel(self, row: ReportSchedule, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        described = {**self.describe(row), "Only of": _narrowing(row.wanted.get("filters", {}), names=_names_in(row.wanted))}
        facts = {name: told for name, told in described.items() if name not in ("Name", "In force") and told}
        return {"facts": facts, "state": state_of(row, now=now), "is_under_way": row.is_active and row.due_at <= now}

    def describe(self, row: ReportSchedule) -> Mapping[str, str]:
        wanted = row.wanted
        grain = "every call by itself" if wanted.get("calls") else "by end user as well" if wanted.get("users") else ""
        billed = "0, the provider's own bill counts" if wanted.get("provider_bill") else ""
        return {
            "Name": row.name, "Report": label_of(wanted), "Version": wanted.get("focus", ""), "Format": FORMATS[wanted.get("format", "csv")],
            "Only of": _narrowing(wanted.get("filters", {})), "Rows": grain, "Split by tags": ", ".join(wanted.get("tag_keys", ())),
            "Names": "beside their ids" if wanted.get("names") else "", "Billed cost": billed,
            "When": when_of(row), "Recipients": ", ".join(row.recipients), "In force": "yes" if row.is_active else "no",
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: ReportSchedule | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> ScheduleForm:
        return ScheduleForm(data, schedule=row, report=(suggested or {}).get("report", "focus"))

    def save(self, form: ScheduleForm, *, row: ReportSchedule | None, membership: Membership, now: datetime) -> ReportSchedule:
        values = form.values()
        if row is None:
            return create_schedule(schedule=ReportSchedule(**values, created_by=membership.user.email[:200]), now=now)
        for name, value in values.items():
            setattr(row, name, value)
        return change_schedule(schedule=row, now=now)


def when_of(schedule: ReportSchedule) -> str:
    """Example: "monthly, 2nd working day, 06:00"."""
    day = "" if schedule.every == Every.DAY else f", {WORKING_DAYS[schedule.working_day]} working day"
    return f"{ADVERBS[Every(schedule.every)]}{day}, {schedule.hour:02}:00"


def state_of(schedule: ReportSchedule, *, now: datetime) -> tuple[str, str]:
    """Return how a schedule is, in words, and the tag's kind."""
    if not schedule.is_active:
        return "Paused", ""
    if schedule.failure and not schedule.failure.startswith(NOTHING):
        return ("Failing, tried again", "d") if schedule.due_at <= now else ("The last was not sent", "d")
    if schedule.due_at <= now:
        return "On its way", "w"
    return ("Nothing to send", "") if schedule.failure else ("Sent", "g") if schedule.sent_at else ("Not sent yet", "")


def _names_in(wanted: Mapping[str, Any]) -> Mapping[str, str]:
    """What the ids in its filters are called now."""
    filters, found = wanted.get("filters", {}), dict[str, str]()
    for field, dimension in (("api_key_id", "api_key"), ("end_user_id", "end_user")):
        if field in filters:
            found |= reports.names_of(dimension=dimension, values=[filters[field]])
    return found


def _narrowing(filters: Mapping[str, str], *, names: Mapping[str, str] = {}) -> str:
    """Example: "tier pro, end user ann"."""
    return ", ".join(f"{FILTERS.get(field, field)} {names.get(value, value)}" for field, value in filters.items())
