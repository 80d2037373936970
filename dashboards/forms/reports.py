"""Which file finance wants: report, period, format, and of which entries alone."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from msgspec import Struct

from billing.exports.wanted import MOST_TAG_KEYS, Wanted
from dashboards.months import days_of_month, month_choices, month_named
from tenants.models import ApiKey, EndUser, Tier

FORMATS = {
    "csv": "CSV", "csv.gz": "CSV, compressed", "jsonl": "JSON, one object a line", "json": "JSON", "sqlite": "SQLite database", "parquet": "Parquet",
}  # fmt: skip


class File(Struct, frozen=True, kw_only=True):
    """A report that is taken away as a file: what it is for, and what of `billing.exports` it is made of."""

    label: str
    about: str
    what: str
    dimension: str = "model"


FILES: Mapping[str, File] = {
    "focus": File(
        label="FOCUS cost export", about="The FinOps standard (1.2 with the columns of 1.3) that cost tools load; days are UTC.", what="focus",
    ),
    "cost-entries": File(
        label="Cost entries", about="Every line of the book, corrections included: sums to the cent of the month.", what="cost_entries",
    ),
    "by-end-user": File(
        label="Chargeback by end user", about="Per day and end user: cost, corrections, calls, tokens.", what="usage", dimension="end_user",
    ),
    "by-tier": File(
        label="Chargeback by tier", about="Per day and tier: cost, corrections, calls, tokens.", what="usage", dimension="tier",
    ),
    "by-key": File(
        label="Chargeback by API key", about="Per day and key: cost, corrections, calls, tokens.", what="usage", dimension="api_key",
    ),
    "by-tag": File(
        label="Chargeback by tag", about="Per day and tag; a call with several tags counts under each.", what="usage", dimension="tag",
    ),
    "by-domain": File(
        label="Chargeback by domain", about="Per day and domain: cost, corrections, calls, tokens.", what="usage", dimension="domain",
    ),
    "budgets": File(
        label="Budget report", about="Each window of a budget: its limit, what was spent, held and overrun.", what="budgets",
    ),
}
GRAINS = {"": "by day and meter", "users": "by end user as well", "calls": "every call by itself"}
NARROWING = ("tier", "api_key_id", "end_user_id", "model", "domain", "tag")
"""Fields that are filters of an export, by their names there."""
DATE = forms.DateInput(attrs={"type": "date"})


def tier_choices() -> list[tuple[str, str]]:
    return [("", "all"), *((name, title or name) for name, title in Tier.objects.order_by("name").values_list("name", "title"))]


def key_choices() -> list[tuple[str, str]]:
    return [("", "all"), *((str(pk), name) for pk, name in ApiKey.objects.order_by("name", "pk").values_list("pk", "name"))]


class ReportForm(forms.Form):
    """What a file holds, whatever its days: `options` is what `billing.exports` is asked for."""

    report = forms.ChoiceField(label="Report", choices=[(name, file.label) for name, file in FILES.items()])
    format = forms.ChoiceField(label="Format", choices=list(FORMATS.items()), initial="csv")
    tier = forms.ChoiceField(label="Only of the tier", choices=tier_choices, required=False)
    api_key_id = forms.ChoiceField(label="Only of the API key", choices=key_choices, required=False)
    end_user_id = forms.CharField(label="Only of the end user", required=False, max_length=255)
    model = forms.CharField(label="Only of the model", required=False, max_length=200)
    domain = forms.CharField(label="Only of the domain", required=False, max_length=64)
    tag = forms.CharField(label="Only with the tag", required=False, max_length=100)
    grain = forms.ChoiceField(label="Rows of FOCUS", choices=list(GRAINS.items()), required=False)
    tag_keys = forms.CharField(label="Tags that split FOCUS", required=False, max_length=1000, help_text="By their keys, with commas: team, product.")
    names = forms.BooleanField(label="With names of end users and keys beside their ids", required=False)

    narrowing = (*NARROWING, "grain", "tag_keys")

    def clean_end_user_id(self) -> str:
        """Your own name of somebody becomes our id of them."""
        name: str = self.cleaned_data["end_user_id"].strip()
        found = EndUser.objects.filter(external_id=name).values_list("pk", flat=True).first() if name else None
        if name and found is None:
            raise ValidationError("There is no end user of this name.")
        return str(found or "")

    def clean_tag_keys(self) -> list[str]:
        keys = list(dict.fromkeys(word.strip() for word in self.cleaned_data["tag_keys"].split(",") if word.strip()))
        if len(keys) > MOST_TAG_KEYS:
            raise ValidationError(f"Name at most {MOST_TAG_KEYS} keys.")
        return keys

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("report") == "budgets" and any(said.get(name) for name in NARROWING):
            self.add_error("report", "A budget report is of all budgets: leave out what narrows it.")
        return said

    @property
    def has_narrowed(self) -> bool:
        """Is something said, or wrong, in the part of the form that is folded away?"""
        return any(self[name].errors or self[name].value() for name in self.narrowing)

    def options(self) -> dict[str, Any]:
        said, file = self.cleaned_data, FILES[self.cleaned_data["report"]]
        found: dict[str, Any] = {"what": file.what, "format": said["format"], "filters": {name: said[name] for name in NARROWING if said[name]}}
        if file.what == "usage":
            found["dimension"] = file.dimension
        if file.what == "focus":
            found |= {"tag_keys": said["tag_keys"], "users": said["grain"] == "users", "calls": said["grain"] == "calls"}
        else:
            found["names"] = said["names"] and file.what != "budgets"
        return {name: value for name, value in found.items() if value}


class FileForm(ReportForm):
    """A month, or days from one to another, which then count instead."""

    month = forms.ChoiceField(label="Month")
    first = forms.DateField(label="or from", required=False, widget=DATE)
    last = forms.DateField(label="to, included", required=False, widget=DATE)

    field_order = ("report", "month", "format", "first", "last")

    def __init__(self, data: Mapping[str, Any] | None, *, months: Sequence[date], report: str = "focus") -> None:
        super().__init__(data, initial={"report": report, "month": f"{months[1]:%Y-%m}", "format": "csv"})
        self.months = months
        field = self.fields["month"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = month_choices(months)
        for asked in self.fields.values():
            asked.widget.attrs["data-asked"] = ""  # what the sample goes by

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if bool(said.get("first")) != bool(said.get("last")):
            raise ValidationError("Name both days, or neither: then the month counts.")
        return said

    @property
    def wanted(self) -> Wanted:
        said = self.cleaned_data
        days = {"first": said["first"], "last": said["last"]} if said["first"] else days_of_month(month_named(said["month"], among=self.months))
        return Wanted(**self.options(), **days)
