"""Which file finance wants: report, period, format."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from msgspec import Struct

from billing.exports.wanted import Wanted
from dashboards.months import days_of_month, month_choices, month_named

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
        label="Chargeback by tier", about="Per day and tier.", what="usage", dimension="tier",
    ),
    "by-key": File(
        label="Chargeback by API key", about="Per day and key.", what="usage", dimension="api_key",
    ),
    "by-tag": File(
        label="Chargeback by tag", about="Per day and tag; a call with several tags counts under each.", what="usage", dimension="tag",
    ),
    "by-domain": File(
        label="Chargeback by domain", about="Per day and domain.", what="usage", dimension="domain",
    ),
    "budgets": File(
        label="Budget report", about="Each window of a budget: its limit, what was spent, held and overrun.", what="budgets",
    ),
}
DATE = forms.DateInput(attrs={"type": "date"})


class FileForm(forms.Form):
    """A month, or days from one to another, which then count instead."""

    report = forms.ChoiceField(label="Report", choices=[(name, file.label) for name, file in FILES.items()])
    month = forms.ChoiceField(label="Month")
    format = forms.ChoiceField(label="Format", choices=list(FORMATS.items()), initial="csv")
    first = forms.DateField(label="or from", required=False, widget=DATE)
    last = forms.DateField(label="to, included", required=False, widget=DATE)
    names = forms.BooleanField(label="With names of end users and keys beside their ids", required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, months: Sequence[date], report: str = "focus") -> None:
        super().__init__(data, initial={"report": report, "month": f"{months[1]:%Y-%m}", "format": "csv"})
        self.months = months
        field = self.fields["month"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = month_choices(months)

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if bool(said.get("first")) != bool(said.get("last")):
            raise ValidationError("Name both days, or neither: then the month counts.")
        return said

    @property
    def wanted(self) -> Wanted:
        said = self.cleaned_data
        file = FILES[said["report"]]
        days = {"first": said["first"], "last": said["last"]} if said["first"] else days_of_month(month_named(said["month"], among=self.months))
        names = said["names"] and file.what in ("cost_entries", "usage")
        return Wanted(what=file.what, format=said["format"], dimension=file.dimension, names=names, **days)  # type: ignore[arg-type]
