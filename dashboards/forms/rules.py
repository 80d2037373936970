"""Forms about domain rules: one rule, a prompt to try, and labelled prompts by the line."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from cascade.engine.domains import DOMAINS
from cascade.models import DomainRule
from tenants.models import slug_rule

LONGEST_PROMPT, MOST_LINES = 20_000, 200


class RuleForm(forms.Form):
    """A word or phrase and how much it says."""

    domain = forms.CharField(
        max_length=64, validators=[slug_rule], label="Domain", help_text=f"One of {', '.join(DOMAINS)}, or a name of your own.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    phrase = forms.CharField(
        max_length=200, label="Word or phrase", help_text="Whole words; case and punctuation do not matter, a plain plural counts too.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    weight = forms.FloatField(
        min_value=-10, max_value=10, initial=1.0, label="Weight, in nats",
        help_text="3: hardly ever said elsewhere. 2: strong. 1: typical. 0.5: a hint. Below 0 it speaks against the domain.",
    )
    is_enabled = forms.BooleanField(required=False, initial=True, label="Enabled. Switched off, it also silences the built-in rule of the phrase")

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, rule: DomainRule | None = None, suggested: Mapping[str, Any] | None = None
    ) -> None:
        initial = {name: value for name, value in (suggested or {}).items() if name in self.base_fields}
        if rule is not None:
            initial = {name: getattr(rule, name) for name in self.base_fields}
        super().__init__(data, initial=initial)

    def clean_weight(self) -> float:
        weight: float = self.cleaned_data["weight"]
        if not math.isfinite(weight):
            raise ValidationError("Enter a number.")
        return weight


class PromptForm(forms.Form):
    prompt = forms.CharField(
        max_length=LONGEST_PROMPT, label="Prompt", widget=forms.Textarea({"rows": 5, "autocomplete": "off"}), help_text="Nothing typed here is kept."
    )


class BatchForm(forms.Form):
    """Prompts with their label, pasted or as a file."""

    lines = forms.CharField(
        required=False, max_length=400_000, label="Labelled prompts",
        widget=forms.Textarea({"rows": 5, "placeholder": "legal, May my landlord keep the deposit?", "autocomplete": "off"}),
        help_text=f"One a line: the domain, a comma or tab, the prompt. At most {MOST_LINES} lines; nothing is kept.",
    )
    file = forms.FileField(required=False, label="or a text file", max_length=200)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        said["pairs"] = () if self.errors else pairs_of(said["lines"])
        return said


def pairs_of(text: str) -> Sequence[tuple[str, str]]:
    """Return label and prompt of each line. Raises ValidationError naming the line that has none."""
    lines = [(number, line.strip()) for number, line in enumerate(text.replace("\x00", " ").splitlines(), 1) if line.strip()]
    if not lines:
        raise ValidationError("Paste lines, or choose a file: the domain, a comma or tab, the prompt.")
    if len(lines) > MOST_LINES:
        raise ValidationError(f"These are {len(lines)} lines; {MOST_LINES} at a time can be tried.")
    return [_pair(number, line) for number, line in lines]


def _pair(number: int, line: str) -> tuple[str, str]:
    label, separator, prompt = line.partition("\t" if "\t" in line else ",")
    label = label.strip().lower()
    try:
        slug_rule(label)
    except ValidationError as wrong:
        raise ValidationError(f"Line {number} does not begin with the name of a domain and a comma or tab.") from wrong
    if not (separator and prompt.strip()):
        raise ValidationError(f"Line {number} has no prompt behind its domain.")
    return label, prompt.strip()[:LONGEST_PROMPT]
