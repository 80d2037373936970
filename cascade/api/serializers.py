"""Connections, models, policies and domain rules, as JSON."""

from typing import Any, get_args

from rest_framework import serializers

from billing.api.fields import UsdField
from cascade.connections import change_connection, last_four
from cascade.engine.values import Capability
from cascade.models import CatalogModel, DomainRule, ProviderConnection, TierPolicy
from cascade.retirements import Catalog, read_catalog
from cascade.tier_policies import check_fallback, check_preset
from tenants.api.base import FiniteFloatField, TenantModelSerializer
from tenants.api.serializers import SecretField, TierNameField
from tenants.encryption import Secret


class ProviderConnectionSerializer(TenantModelSerializer[ProviderConnection]):
    credential = SecretField(
        write_only=True, required=False, allow_blank=True, trim_whitespace=True, max_length=4096,
        help_text="Never shown again. It is wiped when provider or base_url change and no new one comes along.",
    )
    has_credential = serializers.SerializerMethodField()
    credential_last4 = serializers.SerializerMethodField()

    class Meta:
        model = ProviderConnection
        fields = ["id", "name", "provider", "base_url", "is_active", "credential", "has_credential", "credential_last4", "created_at"]

    def get_has_credential(self, connection: ProviderConnection) -> bool:
        return bool(connection.credential)

    def get_credential_last4(self, connection: ProviderConnection) -> str:
        return last_four(connection.credential)

    def create(self, validated_data: dict[str, Any]) -> ProviderConnection:
        return change_connection(connection=ProviderConnection(credential=Secret("")), changes=validated_data)

    def update(self, instance: ProviderConnection, validated_data: dict[str, Any]) -> ProviderConnection:
        return change_connection(connection=instance, changes=validated_data)


def catalog_of_today(context: Any) -> Catalog:
    """The tenant's models, read at most once a reply. The view says which day it is."""
    if "catalog" not in context:
        context["catalog"] = read_catalog(today=context["today"])
    catalog: Catalog = context["catalog"]
    return catalog


class RetirementWarningsField(serializers.ListField):
    """What is to be said of the models that a preset's definition names."""

    def __init__(self, **options: Any) -> None:
        told = "Models of it that retire soon, or did, and where they are named. They stand in the way of nothing."
        super().__init__(**{"child": serializers.CharField(), "read_only": True, "source": "definition", "help_text": told, **options})

    def to_representation(self, definition: Any) -> list[str]:
        return catalog_of_today(self.context).warnings_for(definition)


class CatalogModelSerializer(TenantModelSerializer[CatalogModel]):
    capabilities = serializers.ListField(child=serializers.ChoiceField(choices=get_args(Capability)), max_length=10, required=False)
    context_tokens = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    max_output_tokens = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    retires_in_days = serializers.SerializerMethodField(help_text="Until retired_on (UTC); 0 or less: it is left out already.")
    replacement = serializers.SerializerMethodField(help_text="What takes its place, if it retires and that is known.")
    warning = serializers.SerializerMethodField(help_text="What calls that use it are told; null while the day is far off.")

    class Meta:
        model = CatalogModel
        fields = [
            "id", "name", "connection", "upstream_name", "part", "capabilities", "context_tokens", "max_output_tokens", "cap_parameter",
            "retired_on", "retires_in_days", "replacement", "warning", "created_at",
        ]
        create_only = ["name"]

    def validate_capabilities(self, capabilities: list[str]) -> list[str]:
        return sorted(set(capabilities))

    def get_retires_in_days(self, row: CatalogModel) -> int | None:
        return (row.retired_on - self.context["today"]).days if row.retired_on else None

    def get_replacement(self, row: CatalogModel) -> str | None:
        return (catalog_of_today(self.context).replacement_of(row) or None) if row.retired_on else None

    def get_warning(self, row: CatalogModel) -> str | None:
        return (catalog_of_today(self.context).notice_of(row) or None) if row.retired_on else None


class ModelNamesField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.CharField(max_length=200), max_length=500, required=False, **options)


class TierPolicySerializer(TenantModelSerializer[TierPolicy]):
    tier = TierNameField()
    allowed_models = ModelNamesField(help_text="Empty: every model.")
    denied_models = ModelNamesField(help_text="These are refused, whatever is allowed.")
    max_cost = UsdField(source="max_cost_nusd", required=False, allow_null=True, help_text="Most that one run may hold, in USD.")
    min_quality = FiniteFloatField(min_value=0, max_value=1, required=False, allow_null=True)

    class Meta:
        model = TierPolicy
        fields = ["id", "tier", "allowed_models", "denied_models", "fallback", "preset", "max_cost", "max_steps", "max_tokens", "min_quality"]
        create_only = ["tier"]

    def validate_fallback(self, name: str) -> str:
        check_fallback(name)
        return name

    def validate_preset(self, name: str) -> str:
        check_preset(name)
        return name


class DomainRuleSerializer(TenantModelSerializer[DomainRule]):
    class Meta:
        model = DomainRule
        fields = ["id", "domain", "phrase", "weight", "is_enabled", "created_at"]
