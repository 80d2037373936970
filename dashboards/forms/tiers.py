"""Forms about tiers: what one binds, and the call whose way is previewed."""

import math
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from cascade.engine.domains import DOMAINS
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.models import CatalogModel, Preset
from cascade.route_preview import COMPLEXITIES
from cascade.tier_policies import POLICY_FIELDS, TIER_FIELDS, policy_of
from dashboards.forms.fields import UsdField
from tenants.models import Tier, slug_rule
from tenants.models.who import MOST_A_MINUTE

PLAIN = {"autocomplete": "off"}
MOST = 2**31 - 1
MOST_STEPS = 32_767


class TierForm(forms.Form):
    """A tier with its policy. What is empty limits nothing."""

    name = forms.CharField(
        max_length=64, validators=[slug_rule], label="Name", help_text="Calls name it as their user_tier.", widget=forms.TextInput(PLAIN)
    )
    title = forms.CharField(required=False, max_length=200, label="Title", widget=forms.TextInput(PLAIN))
    requests_per_minute = forms.IntegerField(required=False, min_value=1, max_value=MOST_A_MINUTE, label="Requests a minute, each end user")
    tokens_per_minute = forms.IntegerField(required=False, min_value=1, max_value=MOST_A_MINUTE, label="Tokens a minute, each end user")
    preset = forms.ChoiceField(required=False, label="Preset where the call names none")
    fallback = forms.ChoiceField(required=False, label="Fallback", help_text="Answers where the tier may use none of the models that were wanted.")
    max_cost_nusd = UsdField(required=False, max_length=24, label="Most that one run may hold, US dollars")
    max_steps = forms.IntegerField(required=False, min_value=1, max_value=MOST_STEPS, label="Most steps of a run")
    max_tokens = forms.IntegerField(required=False, min_value=1, max_value=MOST, label="Longest answer, tokens")
    min_quality = forms.FloatField(
        required=False, min_value=0, max_value=1, label="Least quality of an answer, 0 to 1",
        widget=forms.TextInput({**PLAIN, "inputmode": "decimal"}),
    )
    allowed_models = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Allowed models", help_text="None ticked: every model."
    )
    denied_models = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Denied models", help_text="Refused, whatever is allowed."
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, tier: Tier | None = None) -> None:
        policy = policy_of(tier) if tier else None
        initial = {name: getattr(tier, name) for name in TIER_FIELDS} if tier else {}
        initial |= {name: getattr(policy, name) for name in POLICY_FIELDS} if policy else {}
        super().__init__(data, initial=initial)
        if tier is not None:
            del self.fields["name"]
        self._offer(initial)

    def _offer(self, initial: Mapping[str, Any]) -> None:
        """The tenant's models and presets, and what the policy names though it is no more: it stays until somebody takes it out."""
        models = list(CatalogModel.objects.values_list("name", flat=True)[:500])
        presets = [*BUILT_IN_PRESETS, *Preset.objects.values_list("name", flat=True)[:500]]
        for name in ("allowed_models", "denied_models"):
            self._choose(name, dict.fromkeys([*models, *initial.get(name, ())]))
        self._choose("fallback", dict.fromkeys(["", *models, initial.get("fallback", "")]), empty="none: the call is refused")
        self._choose("preset", dict.fromkeys(["", *presets, initial.get("preset", "")]), empty="the default one")

    def _choose(self, name: str, names: Mapping[str, None], *, empty: str = "") -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(one, one or empty) for one in names]

    def clean_min_quality(self) -> float | None:
        quality: float | None = self.cleaned_data["min_quality"]
        if quality is not None and not math.isfinite(quality):
            raise ValidationError("Enter a number.")
        return quality


class RouteForm(forms.Form):
    """The call that is imagined. What makes no sense counts as not said."""

    user = forms.CharField(required=False, max_length=255, label="End user", widget=forms.TextInput({**PLAIN, "size": 14}))
    domain = forms.CharField(
        required=False, max_length=64, validators=[slug_rule], initial="general", label="Domain",
        widget=forms.TextInput({**PLAIN, "size": 10, "list": "domains"}),
    )
    complexity = forms.ChoiceField(required=False, choices=[(name, name) for name in COMPLEXITIES], initial="moderate", label="Complexity")
    prompt_bytes = forms.IntegerField(required=False, min_value=1, max_value=1_000_000, initial=1000, label="Prompt, bytes")
    left = UsdField(required=False, max_length=24, label="Budget left, US dollars")

    domains = DOMAINS
