"""The question of a replay as a form in the address: rows of what is changed. A row that says nothing changes nothing."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from billing.engine.budget_replay import Limit
from billing.engine.budgets import Action, BudgetScope, Period
from cascade.engine.replay import WhatIf
from cascade.replaying import MOST_DAYS
from cascade.what_ifs import EVERY, MOST_BUDGETS, MOST_CHANGES, limits_of, what_if_of
from dashboards.forms.budgets import SCOPES
from dashboards.forms.fields import UsdField
from dashboards.templatetags.money import ACTIONS, money
from tenants.models import Tenant

PLAIN = {"autocomplete": "off"}
SCORE = forms.TextInput({**PLAIN, "inputmode": "decimal", "size": 5})
PERIODS = {Period.DAILY: "day", Period.WEEKLY: "week", Period.MONTHLY: "month", Period.TOTAL: "all time"}
Offers = Mapping[str, Sequence[tuple[str, str]]]
"""Choices of the fields that name what the tenant has, by field."""


class Row(forms.Form):
    """One change. `subject` is the field that says what of: it is named in one row at the most. Each kind says itself `in_words()`."""

    use_required_attribute = False
    subject = ""

    def __init__(self, data: QueryDict | None, *, prefix: str, offers: Offers, initial: Mapping[str, str] | None = None) -> None:
        super().__init__(data, prefix=prefix, initial=dict(initial or {}), empty_permitted=True)
        for name, field in self.fields.items():
            if isinstance(field, forms.ChoiceField) and name in offers:
                field.choices = offers[name]


class ThresholdRow(Row):
    domain = forms.CharField(
        required=False, max_length=64, label="Domain", widget=forms.TextInput({**PLAIN, "size": 12, "list": "domains", "placeholder": "every other"})
    )
    score = forms.FloatField(min_value=0, max_value=1, label="accept from", widget=SCORE)
    subject = "domain"

    def in_words(self) -> str:
        said = self.cleaned_data
        return f"{said['domain'] or 'Every other domain'}: drafts are accepted from {said['score']:g}"


class LeastRow(Row):
    tier = forms.ChoiceField(label="Tier")
    quality = forms.FloatField(min_value=0, max_value=1, label="at least", widget=SCORE)
    subject = "tier"

    def in_words(self) -> str:
        return f"Tier {self.cleaned_data['tier']}: no draft is accepted below {self.cleaned_data['quality']:g}"


class SubstituteRow(Row):
    model = forms.ChoiceField(label="Instead of")
    instead = forms.ChoiceField(label="ask")
    subject = "model"

    def in_words(self) -> str:
        return f"{self.cleaned_data['instead']} is asked instead of {self.cleaned_data['model']}"


class PriceRow(Row):
    priced = forms.ChoiceField(label="Model")
    input = UsdField(max_length=24, label="$ in", widget=UsdField.widget({"size": 6}))
    output = UsdField(max_length=24, label="$ out", widget=UsdField.widget({"size": 6}))
    cached_input = UsdField(required=False, max_length=24, label="$ cached in", widget=UsdField.widget({"size": 6}))
    subject = "priced"

    def in_words(self) -> str:
        said = self.cleaned_data
        cached = "" if said["cached_input"] is None else f", {money(said['cached_input'])} cached"
        return f"{said['priced']} costs {money(said['input'])} in{cached} and {money(said['output'])} out, a million tokens"


class BudgetRow(Row):
    scope = forms.ChoiceField(choices=list(SCOPES.items()), initial=BudgetScope.TENANT, label="Who")
    whom = forms.CharField(
        required=False, max_length=255, label="named", widget=forms.TextInput({**PLAIN, "size": 14, "list": "subjects", "placeholder": "everybody"})
    )
    limit = UsdField(max_length=24, label="$", widget=UsdField.widget({"size": 8}))
    period = forms.ChoiceField(choices=list(PERIODS.items()), initial=Period.DAILY, label="per")
    action = forms.ChoiceField(choices=list(ACTIONS.items()), initial=Action.BLOCK, label="then")

    def in_words(self) -> str:
        said = self.cleaned_data
        whom = f" {said['whom']}" if said["whom"] else ""
        return f"{SCOPES[said['scope']]}{whom}: {money(said['limit'])} per {PERIODS[said['period']]}, {said['action']}"


Supposition = ThresholdRow | LeastRow | SubstituteRow | PriceRow | BudgetRow


class Group:
    """The rows of one kind that say something, and a blank one after them."""

    def __init__(self, name: str, row: type[Supposition], data: QueryDict, *, is_asked: bool, most: int, offers: Offers) -> None:
        self.name, self.errors = name, list[str]()
        numbers = sorted({int(found[1]) for key in data if (found := re.match(rf"{name}-([0-9]{{1,4}})-", key))})
        said = (self._row(row, data, number, is_asked=is_asked, offers=offers) for number in numbers[: 2 * most])
        self.rows = [one for one in said if (one.has_changed() if is_asked else one.initial)]
        after = numbers[-1] + 1 if numbers else 0
        self.shown = [*self.rows, row(None, prefix=f"{name}-{after}", offers=offers)]

    def _row(self, row: type[Supposition], data: QueryDict, number: int, *, is_asked: bool, offers: Offers) -> Supposition:
        prefix = f"{self.name}-{number}"
        if is_asked:
            return row(data, prefix=prefix, offers=offers)
        said = {field: str(data[f"{prefix}-{field}"]) for field in row.base_fields if data.get(f"{prefix}-{field}")}
        return row(None, prefix=prefix, offers=offers, initial=said)

    def is_valid(self) -> bool:
        are_valid = [row.is_valid() for row in self.rows]  # each says what is wrong with it
        if not all(are_valid):
            return False
        named = Counter(row.cleaned_data[row.subject] for row in self.rows if row.subject)
        self.errors += [f"{name or 'Every other domain'} is named twice." for name, times in named.items() if times > 1]
        return not self.errors

    @property
    def values(self) -> list[dict[str, Any]]:
        return [row.cleaned_data for row in self.rows]


class DaysForm(forms.Form):
    days = forms.IntegerField(
        min_value=1, max_value=MOST_DAYS, initial=7, label="Days back from now", widget=forms.NumberInput({"min": 1, "max": MOST_DAYS})
    )


class Question:
    """What is asked, or, before it is asked, what the address suggests."""

    def __init__(self, data: QueryDict, *, offers: Offers) -> None:
        self.is_asked = "replay" in data
        days = data.get("days", "")
        self.days = DaysForm(data) if self.is_asked else DaysForm(initial={"days": days} if days else None)
        groups = {
            name: Group(name, row, data, is_asked=self.is_asked, most=MOST_BUDGETS if row is BudgetRow else MOST_CHANGES, offers=offers)
            for name, row in (
                ("thresholds", ThresholdRow), ("least_quality", LeastRow), ("substitutes", SubstituteRow), ("prices", PriceRow),
                ("budgets", BudgetRow),
            )
        }  # fmt: skip
        self.thresholds, self.least_quality = groups["thresholds"], groups["least_quality"]
        self.substitutes, self.prices, self.budgets = groups["substitutes"], groups["prices"], groups["budgets"]
        self.groups = groups

    def is_valid(self) -> bool:
        are_valid = [self.days.is_valid(), *(group.is_valid() for group in self.groups.values())]
        return all(are_valid)

    @property
    def suppositions(self) -> list[str]:
        return [row.in_words() for group in self.groups.values() for row in group.rows]

    def what_if(self) -> WhatIf:
        """Raises ValidationError, as what_if_of does."""
        return what_if_of(
            thresholds={said["domain"] or EVERY: said["score"] for said in self.thresholds.values},
            least_quality={said["tier"]: said["quality"] for said in self.least_quality.values},
            substitutes={said["model"]: said["instead"] for said in self.substitutes.values},
            prices={said["priced"]: said for said in self.prices.values},
        )

    def limits(self, *, tenant: Tenant) -> list[Limit]:
        """Raises ValidationError, as limits_of does."""
        return limits_of([{**said, "subject": said["whom"].strip()} for said in self.budgets.values], tenant=tenant)

    def refuse(self, wrong: ValidationError) -> None:
        """Show why a question cannot be answered beside what asks it."""
        for field, told in wrong.message_dict.items():
            name, _, number = field.partition(".")
            if number:
                self.budgets.rows[int(number)].add_error("whom", told)
            else:
                self.groups[name].errors += told
