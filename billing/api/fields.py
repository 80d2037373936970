"""Amounts in JSON: decimal strings in USD outside, integer nano-USD inside."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.engine.money import InvalidAmount, to_nusd, to_usd

PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,10}(\.[0-9]+)?")
MOST_DECIMALS = 9


@extend_schema_field({"type": "string", "pattern": r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$", "examples": ["0.15"]})
class UsdField(serializers.Field[int, Any, str, Any]):
    """An amount of USD with up to nine decimal places. Give `source="..._nusd"`."""

    default_error_messages = {
        "invalid": "{value} is not an amount in USD: write a plain decimal number as text, for example \"0.15\".",
        "decimals": "{value} has more than nine decimal places; the smallest amount is 0.000000001 USD.",
        "negative": "An amount cannot be negative here: write 0 or more.",
        "too_large": "{value} is larger than any amount that can be stored (9.2 billion USD).",
    }

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, str | int):
            self.fail("invalid", value=repr(data)[:40])
        text = str(data)[:60]
        if not PLAIN_DECIMAL.fullmatch(text):
            self.fail("invalid", value=repr(text[:40]))
        if len(text.partition(".")[2]) > MOST_DECIMALS:  # before any arithmetic, which would round
            self.fail("decimals", value=text[:40])
        try:
            amount = to_nusd(text)
        except InvalidAmount:
            self.fail("too_large", value=text[:40])
        if amount < 0:
            self.fail("negative")
        return amount

    def to_representation(self, value: int) -> str:
        return to_usd(value)
