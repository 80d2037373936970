"""Form fields of the console."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing.engine.money import InvalidAmount, to_nusd, to_usd

PERCENTAGES_MOST = 10
PERCENTAGES = frozenset(str(number) for number in range(1, 101))


class UsdInput(forms.TextInput):
    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"inputmode": "decimal", "autocomplete": "off", "size": 12, **(attrs or {})})


class UsdField(forms.CharField):
    """An amount in US dollars, as the ledger stores it: nano-USD, exactly."""

    widget = UsdInput

    def prepare_value(self, value: Any) -> Any:
        return to_usd(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        said = super().clean(value)
        if not said:
            return None
        try:
            amount = to_nusd(said.replace("$", "").replace(",", "").strip() or said)
        except InvalidAmount as wrong:
            raise ValidationError(f"{str(wrong)[0].upper()}{str(wrong)[1:]}.") from wrong
        if amount < 0:
            raise ValidationError("This must not be negative.")
        return amount


class PercentagesField(forms.CharField):
    """Percentages with commas between: "50, 80, 100"."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(mark) for mark in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        words = super().clean(value).replace("%", "").replace(",", " ").split()
        if len(words) > PERCENTAGES_MOST or any(word not in PERCENTAGES for word in words):
            raise ValidationError(f"Write at most {PERCENTAGES_MOST} whole percentages from 1 to 100, with commas between: 50, 80, 100.")
        return sorted({int(word) for word in words})
