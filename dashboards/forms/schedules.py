"""Which file comes by itself: what it holds, when, and to whom."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing.engine.schedules import Every
from billing.models import ReportSchedule
from dashboards.forms.alerts import RecipientsField
from dashboards.forms.reports import FILES, NARROWING, ReportForm
from tenants.models import EndUser

EVERY = {Every.DAY: "When a day is over", Every.WEEK: "When a week is over", Every.MONTH: "When a month is over"}
WORKING_DAYS = {1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 5: "5th"}
AS_IT_IS = "as-it-is"
"""The choice of a report that was asked for over REST and stands in no list here."""


class ScheduleForm(ReportForm):
    """A new schedule, or the one of `schedule`: what its file holds beyond what the form asks for stays."""

    name = forms.CharField(label="Name", max_length=200, help_text="The mail's subject has it.")
    every = forms.ChoiceField(label="Comes", choices=list(EVERY.items()), initial=Every.MONTH.value)
    working_day = forms.TypedChoiceField(
        label="On which working day after that", coerce=int, initial=2, choices=list(WORKING_DAYS.items()),
        help_text="Monday to Friday; holidays are not known. That of a day comes every day.",
    )  # fmt: skip
    hour = forms.TypedChoiceField(label="At", coerce=int, initial=6, choices=[(hour, f"{hour:02}:00") for hour in range(24)])
    recipients = RecipientsField(label="Recipients", max_length=5000, help_text="Email addresses, with commas between. They need no account here.")
    is_active = forms.BooleanField(label="In force", required=False, initial=True)

    field_order = ("name", "report", "format", "every", "working_day", "hour", "recipients")

    def __init__(self, data: Mapping[str, Any] | None = None, *, schedule: ReportSchedule | None = None, report: str = "focus") -> None:
        self.kept: Mapping[str, Any] = schedule.wanted if schedule else {}
        super().__init__(data, initial=_said_by(schedule) if schedule else {"report": report if report in FILES else "focus"})
        if schedule is not None and report_of(schedule.wanted) == AS_IT_IS:
            self._keep("report", AS_IT_IS, label=f"{label_of(schedule.wanted)}, as it is")
        for name in ("tier", "api_key_id"):
            if value := self.kept.get("filters", {}).get(name):
                self._keep(name, value, label=f"{value}, which is gone")

    def _keep(self, name: str, value: str, *, label: str) -> None:
        """Let what the schedule says be a choice, so that saving the form does not widen what its file holds."""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        known: list[Any] = list(field.choices)  # type: ignore[arg-type]
        field.choices = known if value in dict(known) else [*known, (value, label)]

    def clean_end_user_id(self) -> str:
        """Whoever was erased has no name any more: their id stays."""
        kept: str = self.kept.get("filters", {}).get("end_user_id", "")
        return kept if kept and self.cleaned_data["end_user_id"] == kept else super().clean_end_user_id()

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said.get("report") == AS_IT_IS and any(said.get(name) for name in ("grain", "tag_keys")):
            raise ValidationError("Rows and tags of FOCUS are of FOCUS alone.")
        return said

    def options(self) -> dict[str, Any]:
        """What the form asks for, beside what only REST can say of the same report."""
        said = self.cleaned_data
        is_as_it_is = said["report"] == AS_IT_IS
        found = {**self.kept, "format": said["format"], "names": said["names"], "filters": {}} if is_as_it_is else super().options()
        if self.kept.get("what") != found["what"]:
            return found
        others = {name: value for name, value in self.kept.get("filters", {}).items() if name not in NARROWING}
        filters = {**others, **{name: said[name] for name in NARROWING if said[name]}}
        only_rest = ("focus", "provider_bill", "users") if said["grain"] == "calls" else ("focus", "provider_bill")  # both grains at once
        rest = {name: self.kept[name] for name in only_rest if self.kept.get(name)}
        return {**rest, **found, "filters": filters}

    def values(self) -> dict[str, Any]:
        """Return the columns of the schedule."""
        named = ("name", "every", "working_day", "hour", "recipients", "is_active")
        return {**{name: self.cleaned_data[name] for name in named}, "wanted": self.options()}


def report_of(wanted: Mapping[str, Any]) -> str:
    """Return which of FILES a file is; AS_IT_IS for none of them."""
    what, dimension = wanted.get("what"), wanted.get("dimension", "model")
    return next((name for name, file in FILES.items() if file.what == what and (what != "usage" or file.dimension == dimension)), AS_IT_IS)


def label_of(wanted: Mapping[str, Any]) -> str:
    """Example: "Usage by step"."""
    name = report_of(wanted)
    return FILES[name].label if name in FILES else f"Usage by {wanted.get('dimension', 'model').replace('_', ' ')}"


def _said_by(schedule: ReportSchedule) -> dict[str, Any]:
    wanted, filters = schedule.wanted, schedule.wanted.get("filters", {})
    user = filters.get("end_user_id", "")
    name = EndUser.objects.filter(pk=user).values_list("external_id", flat=True).first() if user else ""
    return {
        **{field: getattr(schedule, field) for field in ("name", "every", "working_day", "hour", "recipients", "is_active")},
        **{field: filters.get(field, "") for field in NARROWING}, "end_user_id": name or user, "report": report_of(wanted),
        "format": wanted.get("format", "csv"), "names": wanted.get("names", False), "tag_keys": ", ".join(wanted.get("tag_keys", ())),
        "grain": "calls" if wanted.get("calls") else "users" if wanted.get("users") else "",
    }  # fmt: skip
