"""The editor of a preset's definition: strategies and their steps, each moved, added and taken out by a button of its own."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from cascade.engine.presets import CascadePreset
from cascade.publishing import MOST_SECONDS, MOST_STEPS, MOST_TOKENS, definition_of
from tenants.models import slug_rule

MOST_STRATEGIES = 20
PLAIN = {"autocomplete": "off"}
ACT = re.compile(r"(up|down|drop|add|drop-domain):(\d{1,2})(?::(\d{1,2}))?|add-domain")
NEW_STEP = {"name": "", "models": [], "kind": "answer", "timeout_s": 60.0}


class StepForm(forms.Form):
    """One step as people write it."""

    name = forms.CharField(max_length=64, required=False, label="Name", widget=forms.TextInput({**PLAIN, "size": 10}))
    kind = forms.ChoiceField(choices=[("answer", "answers"), ("check", "checks")], label="Does")
    models = forms.CharField(max_length=1000, required=False, label="Models", widget=forms.TextInput({**PLAIN, "size": 14}))
    validator = forms.ChoiceField(
        required=False, choices=[("", "nobody"), ("fast", "fast"), ("balanced", "balanced"), ("strict", "strict")], label="Judged by"
    )
    threshold = forms.FloatField(required=False, min_value=0, max_value=1, label="Least score", widget=forms.TextInput({**PLAIN, "size": 4}))
    retries_on_quality = forms.IntegerField(
        required=False, min_value=0, max_value=MOST_STEPS, label="Retries", widget=forms.TextInput({**PLAIN, "size": 2})
    )
    max_tokens = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_TOKENS, label="Most tokens", widget=forms.TextInput({**PLAIN, "size": 6})
    )
    timeout_s = forms.FloatField(required=False, min_value=0, max_value=MOST_SECONDS, label="Seconds", widget=forms.TextInput({**PLAIN, "size": 4}))
    instruction = forms.CharField(required=False, max_length=4000, label="What a check looks at", widget=forms.Textarea({**PLAIN, "rows": 2}))

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        for name in ("threshold", "timeout_s"):
            if said.get(name) is not None and not math.isfinite(said[name]):
                self.add_error(name, "Enter a number.")
        return said

    @property
    def definition(self) -> dict[str, Any]:
        said = self.cleaned_data
        return {
            "name": said["name"], "models": [name.strip() for name in said["models"].split(",") if name.strip()], "kind": said["kind"],
            "validator": said["validator"] or None, "threshold": said["threshold"], "retries_on_quality": said["retries_on_quality"] or 0,
            "max_tokens": said["max_tokens"], "timeout_s": said["timeout_s"] or 60.0, "instruction": said["instruction"],
        }  # fmt: skip


class StrategyForm(forms.Form):
    domain = forms.CharField(max_length=64, required=False, label="Domain", widget=forms.TextInput({**PLAIN, "size": 14}))


class EditorForm(forms.Form):
    """A whole definition: `shape` says how many steps each strategy has, as "2,3"."""

    baseline = forms.CharField(max_length=200, label="Savings are measured against", widget=forms.TextInput({**PLAIN, "size": 18}))
    shape = forms.CharField(max_length=100, widget=forms.HiddenInput())

    def __init__(self, data: Mapping[str, Any] | None = None, *, content: CascadePreset | None = None) -> None:
        definition: dict[str, Any] = definition_of(content) if content else {"baseline": "", "strategies": []}
        counts = _counts(data.get("shape", "")) if data is not None else [len(strategy["steps"]) for strategy in definition["strategies"]]
        super().__init__(data, initial={"baseline": definition["baseline"], "shape": ",".join(str(count) for count in counts)})
        strategies: Sequence[Any] = definition["strategies"] if data is None else [None] * len(counts)
        self.strategies = [
            (
                StrategyForm(data, prefix=f"d{number}", initial={"domain": strategy["domain"]} if strategy else None),
                [
                    StepForm(data, prefix=f"d{number}s{at}", initial=_initial(strategy["steps"][at]) if strategy else None)
                    for at in range(counts[number])
                ],
            )
            for number, strategy in enumerate(strategies)
        ]  # fmt: skip

    def is_valid(self) -> bool:
        parts = [form.is_valid() for strategy, steps in self.strategies for form in (strategy, *steps)]
        return all(parts) and super().is_valid()

    def definition(self, act: str) -> dict[str, Any]:
        """Return what is typed, changed by a button: "up:0:1" moves the second step of the first domain up."""
        strategies = [
            {"domain": strategy.cleaned_data["domain"], "steps": [step.definition for step in steps]} for strategy, steps in self.strategies
        ]
        return {"baseline": self.cleaned_data["baseline"], "strategies": _acted(strategies, act)}


class PublishForm(forms.Form):
    revision = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput())
    note = forms.CharField(required=False, max_length=500, label="Why, for those who look later", widget=forms.TextInput({**PLAIN, "size": 36}))


class RollBackForm(forms.Form):
    to = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    expected = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    note = forms.CharField(required=False, max_length=500)


class RolloutForm(forms.Form):
    share = forms.IntegerField(min_value=0, max_value=100, label="Share of end users, per cent", widget=forms.NumberInput({"size": 4}))
    shadow = forms.BooleanField(required=False, label="Draft and judge the others' calls as well, without serving it")


class CopyForm(forms.Form):
    name = forms.CharField(
        max_length=64, validators=[slug_rule], label="Name", help_text="Calls name it as their model.", widget=forms.TextInput(PLAIN)
    )
    title = forms.CharField(required=False, max_length=200, label="What it is for", widget=forms.TextInput(PLAIN))


def _initial(step: Mapping[str, Any]) -> dict[str, Any]:
    return {**step, "models": ", ".join(step["models"]), "validator": step["validator"] or ""}


def _counts(shape: str) -> list[int]:
    """Nonsense counts as nothing: what is shown then is an empty editor, and saved is nothing without a baseline."""
    words = shape.split(",") if shape else []
    if len(words) > MOST_STRATEGIES or any(not (word.isascii() and word.isdigit() and len(word) < 3 and int(word) <= MOST_STEPS) for word in words):
        return []
    return [int(word) for word in words]


def _acted(strategies: list[dict[str, Any]], act: str) -> Sequence[dict[str, Any]]:
    found = ACT.fullmatch(act)
    if found is None:
        return strategies
    if act == "add-domain":
        if len(strategies) >= MOST_STRATEGIES:
            raise ValidationError(f"{MOST_STRATEGIES} domains are the most.")
        return [*strategies, {"domain": "", "steps": [NEW_STEP]}]
    verb, number, at = found[1], int(found[2]), int(found[3] or 0)
    if number >= len(strategies):
        return strategies
    if verb == "drop-domain":
        return strategies[:number] + strategies[number + 1 :]
    _act_on(strategies[number]["steps"], verb, at)
    return strategies


def _act_on(steps: list[Any], verb: str, at: int) -> None:
    if verb == "add":
        if len(steps) >= MOST_STEPS:
            raise ValidationError(f"{MOST_STEPS} steps are the most.")
        steps.append(NEW_STEP)
    elif verb == "drop" and at < len(steps):
        del steps[at]
    elif verb in ("up", "down"):
        other = at - 1 if verb == "up" else at + 1
        if 0 <= other < len(steps) and at < len(steps):
            steps[at], steps[other] = steps[other], steps[at]
