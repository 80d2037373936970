"""Budgets, prices and cost entries, as JSON."""

from typing import Any

from rest_framework import serializers

from billing.api.fields import UsdField
from billing.engine.pricing import long_price_problem
from billing.models import Budget, CostEntry, ModelPrice, PlatformPrice
from billing.models.prices import TERMS
from billing.services import add_price, change_budget, checked_subject
from tenants.api.base import TenantModelSerializer


class BudgetSerializer(TenantModelSerializer[Budget]):
    limit = UsdField(source="limit_nusd", help_text="USD per period.")
    override_limit = UsdField(source="override_limit_nusd", read_only=True, allow_null=True, help_text="USD, until override_until.")
    soft_marks = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=100), max_length=10, required=False,
        help_text="Percentages that raise an alert once.",
    )

    class Meta:
        model = Budget
        fields = [
            "id", "name", "scope", "subject", "period", "limit", "action", "soft_marks", "is_paused", "override_limit", "override_until",
            "created_at", "ended_at",
        ]
        read_only_fields = ["override_until", "ended_at"]
        create_only = ["scope", "subject", "period"]

    def validate_soft_marks(self, marks: list[int]) -> list[int]:
        return sorted(set(marks))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None:
            attrs["subject"] = checked_subject(scope=attrs["scope"], subject=attrs.get("subject", ""))
        return attrs

    def update(self, instance: Budget, validated_data: dict[str, Any]) -> Budget:
        return change_budget(budget=instance, changes=validated_data)


class PriceFields(serializers.Serializer[Any]):
    """USD per million tokens, per meter; `request` is USD per request. A meter left out costs what its whole costs."""

    input = UsdField(source="input_nusd")
    output = UsdField(source="output_nusd")
    cached_input = UsdField(source="cached_input_nusd", required=False, allow_null=True)
    cache_write = UsdField(source="cache_write_nusd", required=False, allow_null=True)
    reasoning = UsdField(source="reasoning_nusd", required=False, allow_null=True)
    request = UsdField(source="request_nusd", required=False)
    long_input = UsdField(source="long_input_nusd", required=False, allow_null=True, help_text="For prompts of more than long_after_tokens.")
    long_output = UsdField(source="long_output_nusd", required=False, allow_null=True)
    long_cached_input = UsdField(source="long_cached_input_nusd", required=False, allow_null=True)
    long_cache_write = UsdField(source="long_cache_write_nusd", required=False, allow_null=True)


PRICE_FIELDS = [
    "id", "model", "input", "output", "cached_input", "cache_write", "reasoning", "request", "long_after_tokens", "long_input", "long_output",
    "long_cached_input", "long_cache_write", "valid_from", "valid_to", "source", "note", "created_at",
]  # fmt: skip


class ModelPriceSerializer(PriceFields, TenantModelSerializer[ModelPrice]):
    """USD per million tokens, per meter; `request` is USD per request. A meter left out costs what its whole costs."""

    class Meta:
        model = ModelPrice
        fields = PRICE_FIELDS
        read_only_fields = ["valid_to"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        wrong = long_price_problem({name: attrs.get(name) for name in TERMS})
        if wrong:
            raise serializers.ValidationError({"long_after_tokens": f"{wrong[0].upper()}{wrong[1:]}."})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> ModelPrice:
        return add_price(price=ModelPrice(**validated_data))


class PlatformPriceSerializer(PriceFields, TenantModelSerializer[PlatformPrice]):
    """A price that holds for whoever has none of their own."""

    class Meta:
        model = PlatformPrice
        fields = ["id", "provider", *PRICE_FIELDS[1:]]
        read_only_fields = fields


class CostEntrySerializer(TenantModelSerializer[CostEntry]):
    amount = UsdField(source="amount_nusd", read_only=True, help_text="USD.")

    class Meta:
        model = CostEntry
        fields = [
            "id", "kind", "reservation_id", "leg", "attempt", "amount", "amount_nusd", "step", "outcome", "provider", "model",
            "price_version", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "is_unverified",
            "provider_request_id", "end_user_id", "api_key_id", "tier", "domain", "preset", "tags", "actor", "reason", "reference",
            "occurred_at", "occurred_on", "booked_at",
        ]
        read_only_fields = fields
