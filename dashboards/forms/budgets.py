"""Forms about budgets. The words say what a budget does: a soft one must not be mistaken for a cap."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing.engine.budgets import Action, BudgetScope, Period
from billing.models import Budget
from billing.models.budgets import default_marks
from dashboards.forms.fields import PercentagesField, UsdField
from dashboards.templatetags.money import ACTIONS
from tenants.models import ApiKey, Tier

SCOPES = {
    BudgetScope.TENANT: "Whole organisation", BudgetScope.TIER: "Each end user of a tier", BudgetScope.END_USER: "End users",
    BudgetScope.API_KEY: "An API key", BudgetScope.TAG: "A tag",
}  # fmt: skip
ASKED = {"data-asked": ""}
"""Marks the fields that the preview needs."""
LONGEST_OVERRIDE_HOURS = 366 * 24


def tier_names() -> list[tuple[str, str]]:
    return [(name, title or name) for name, title in Tier.objects.values_list("name", "title")]


def tier_choices() -> list[tuple[str, str]]:
    return [("", "Choose a tier"), *tier_names()]


def key_choices() -> list[tuple[str, str]]:
    keys = ApiKey.objects.filter(revoked_at=None)[:500]
    return [("", "Choose a key"), *((str(key.pk), f"{key.name} (…{key.last4})") for key in keys)]


class BudgetForm(forms.Form):
    """A new budget, or the one of `budget`: whom it limits and for which period is said once, when it is made."""

    scope = forms.ChoiceField(choices=list(SCOPES.items()), initial=BudgetScope.TENANT, widget=forms.RadioSelect(ASKED), label="Who")
    tier = forms.ChoiceField(required=False, choices=tier_choices, widget=forms.Select(ASKED), label="Tier")
    end_user = forms.CharField(
        required=False, max_length=255, widget=forms.TextInput({**ASKED, "autocomplete": "off"}), label="End user",
        help_text="Your own name for them, as calls send it. Empty: each end user has this budget for themselves.",
    )
    api_key = forms.ChoiceField(required=False, choices=key_choices, widget=forms.Select(ASKED), label="API key")
    tag = forms.CharField(required=False, max_length=100, widget=forms.TextInput({**ASKED, "autocomplete": "off"}), label="Tag")
    limit = UsdField(max_length=24, label="Limit, US dollars", widget=UsdField.widget(ASKED))
    period = forms.ChoiceField(
        choices=[(Period.DAILY, "a day"), (Period.WEEKLY, "a week, from Monday"), (Period.MONTHLY, "a month"), (Period.TOTAL, "in all, for ever")],
        widget=forms.Select(ASKED), label="Per",
    )
    action = forms.ChoiceField(choices=list(ACTIONS.items()), initial=Action.BLOCK, widget=forms.RadioSelect(ASKED), label="When it is reached")
    soft_marks = PercentagesField(
        required=False, max_length=60, initial=default_marks, label="Alert at, per cent", widget=PercentagesField.widget(ASKED)
    )
    name = forms.CharField(
        required=False, max_length=200, label="Name", help_text="Empty: it is called by whom it limits.", widget=forms.TextInput(ASKED)
    )
    is_paused = forms.BooleanField(
        required=False, label="Paused: it limits nothing until it is resumed", widget=forms.CheckboxInput(ASKED)
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, budget: Budget | None = None, limits_only: bool = False,
        suggested: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        initial: dict[str, Any] = {}
        if budget is not None:
            initial = {
                "limit": budget.limit_nusd, "action": budget.action, "soft_marks": list(budget.soft_marks), "name": budget.name,
                "is_paused": budget.is_paused,
            }  # fmt: skip
        super().__init__(data, initial=initial | {name: value for name, value in (suggested or {}).items() if budget is None or _fits(name, value)})
        fixed = ("scope", "tier", "end_user", "api_key", "tag", "period") if budget is not None else ()
        for name in (*fixed, *(("action", "name", "is_paused") if limits_only else ())):
            self.fields.pop(name, None)
        self.budget = budget

    @property
    def subject(self) -> str:
        """Whom the data names, for its scope."""
        scope = self.cleaned_data["scope"]
        return "" if scope == BudgetScope.TENANT else str(self.cleaned_data.get(scope) or "").strip()

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        needs = {"tier": "Name the tier.", "api_key": "Name the API key.", "tag": "Name the tag."}
        scope = said.get("scope", "")
        if scope in needs and not said.get(scope) and scope not in self.errors:
            self.add_error(scope, needs[scope])
        return said

    def changes(self) -> dict[str, Any]:
        """Return the columns that the data says something about."""
        said = self.cleaned_data
        columns = {"limit": "limit_nusd", "action": "action", "soft_marks": "soft_marks", "name": "name", "is_paused": "is_paused"}
        return {column: said[field] for field, column in columns.items() if field in self.fields}


def _fits(name: str, value: Any) -> bool:
    """May a link suggest it for a budget that is there? It must not pause one, or let go of its limit: one that degrades holds it, too."""
    return name == "limit" or (name, value) == ("action", Action.DEGRADE)


class BulkLimitForm(forms.Form):
    """A new limit for many budgets: an amount, or so many per cent more or less."""

    limit = UsdField(required=False, max_length=24, label="New limit, US dollars")
    percent = forms.IntegerField(
        required=False, min_value=-100, max_value=1000, label="or change by, per cent", help_text="20 raises by a fifth, −20 lowers."
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if not self.errors and (said.get("limit") is None) == (said.get("percent") is None):
            raise ValidationError("Say either an amount or a percentage.")
        return said


class BulkActionForm(forms.Form):
    """What many budgets do from now on. The name of its field is not that of the bulk action, which is sent along."""

    does = forms.ChoiceField(choices=list(ACTIONS.items()), label="When it is reached")


class OverrideForm(forms.Form):
    """Another limit for a while: for a launch day, or to slow somebody down."""

    limit = UsdField(max_length=24, label="Limit, US dollars")
    hours = forms.IntegerField(min_value=1, max_value=LONGEST_OVERRIDE_HOURS, initial=24, label="for, hours")

    def until(self, now: datetime) -> datetime:
        return now + timedelta(hours=self.cleaned_data["hours"])
