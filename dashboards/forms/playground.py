"""The call that somebody tries in the playground."""

from collections.abc import Mapping
from typing import Any

from django import forms

from cascade.engine.domains import DOMAINS
from cascade.engine.plans import CascadeRequest
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.models import CatalogModel, DomainRule, Preset
from tenants.end_users import LONGEST_NAME
from tenants.models import Tier

LONGEST_PROMPT, MOST_TOKENS = 50_000, 16_384
CARRIED = ("model", "tier", "user", "domain")
"""What a link may fill in. A prompt never stands in an address."""
PLAIN = {"autocomplete": "off"}


class TryForm(forms.Form):
    """What is asked, by which preset or model, as whom. `beside` is asked the same, for comparison."""

    model = forms.ChoiceField(label="Preset or model")
    beside = forms.ChoiceField(required=False, label="Side by side with")
    tier = forms.ChoiceField(required=False, label="As tier")
    user = forms.CharField(required=False, max_length=LONGEST_NAME, label="As end user", widget=forms.TextInput(PLAIN))
    domain = forms.ChoiceField(required=False, label="Domain")
    max_tokens = forms.IntegerField(required=False, min_value=1, max_value=MOST_TOKENS, initial=512, label="Longest answer, tokens")
    prompt = forms.CharField(max_length=LONGEST_PROMPT, strip=False, label="Prompt", widget=forms.Textarea({"rows": 6, "data-run": ""}))

    def __init__(self, data: Mapping[str, Any] | None = None, *, suggested: Mapping[str, str] | None = None) -> None:
        super().__init__(data, initial={name: said for name, said in (suggested or {}).items() if name in CARRIED})
        presets = [*BUILT_IN_PRESETS, *Preset.objects.values_list("name", flat=True)]
        models = list(CatalogModel.objects.values_list("name", flat=True)[:500])
        named = [("Presets", [(name, name) for name in dict.fromkeys(presets)]), ("Models", [(name, name) for name in models])]
        tiers = [(name, name) for name in Tier.objects.values_list("name", flat=True)]
        own = DomainRule.objects.order_by("domain").values_list("domain", flat=True).distinct()[:200]
        for name, choices in (
            ("model", named), ("beside", [("", "nothing"), *named]), ("tier", [("", "the end user's, or the default"), *tiers]),
            ("domain", [("", "as detected"), *((one, one) for one in dict.fromkeys((*DOMAINS, *own)))]),
        ):  # fmt: skip
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices

    def request(self) -> CascadeRequest:
        said = self.cleaned_data
        return CascadeRequest(
            messages=[{"role": "user", "content": said["prompt"]}], model=said["model"], max_tokens=said["max_tokens"],
            domain=said["domain"] or None, tier=said["tier"] or None,
        )  # fmt: skip
