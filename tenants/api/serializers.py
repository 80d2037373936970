"""Keys, end users and tiers, as JSON, and fields that others use as well."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from tenants.api.base import TenantModelSerializer
from tenants.encryption import Secret
from tenants.models import NUSD_PER_USD, ApiKey, EndUser, Erasure, Scope, Tenant, Tier, default_scopes, slug_rule
from tenants.services import OVERLAPS


class SecretField(serializers.CharField):
    """A credential on its way in. It never comes out again."""

    def to_internal_value(self, data: Any) -> Any:
        return Secret(super().to_internal_value(data))

    def run_validators(self, value: Any) -> None:
        super().run_validators(value.reveal() if isinstance(value, Secret) else value)


class TierNameField(serializers.SlugRelatedField[Any]):
    """A tier by its name, as calls and budgets name it."""

    default_error_messages = {
        "does_not_exist": "There is no tier {value}. Create it first, or name one that GET /api/v1/tiers/ lists.",
        "invalid": "Send the name of a tier as text.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="name", queryset=Tier.objects, **options)

    def run_validation(self, data: Any = empty) -> Any:
        if data == "":
            self.fail("invalid")  # the base class takes it for null, which takes the tier away
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data[:64])


class ApiKeySerializer(TenantModelSerializer[ApiKey]):
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False, max_length=len(Scope), default=default_scopes,
        help_text="What the key may do.",
    )

    class Meta:
        model = ApiKey
        fields = [
            "id", "name", "prefix", "last4", "scopes", "requests_per_minute", "tokens_per_minute", "created_at", "expires_at", "revoked_at",
            "last_used_at", "rolled_from",
        ]
        read_only_fields = ["prefix", "last4", "revoked_at", "last_used_at", "rolled_from"]
        create_only = ["scopes", "expires_at"]

    def validate_scopes(self, scopes: list[str]) -> list[str]:
        return sorted(set(scopes))


class NewApiKeySerializer(ApiKeySerializer):
    """A key in the one answer that shows its secret."""

    key = serializers.CharField(read_only=True, help_text="The secret. It is shown this once and cannot be read again.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]


class RollSerializer(serializers.Serializer[Any]):
    overlap = serializers.ChoiceField(choices=sorted(OVERLAPS), help_text="How long the old key goes on working.")


class DollarsField(serializers.DecimalField):
    """An amount in US dollars, as text, of a cent to a million; kept as nano-USD."""

    default_error_messages = {"out_of_range": "Send an amount from 0.01 to 1000000 US dollars."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=16, decimal_places=9, normalize_output=True, **options)

    def to_internal_value(self, data: Any) -> Any:
        amount = super().to_internal_value(data)
        if not Decimal("0.01") <= amount <= 1_000_000:
            self.fail("out_of_range")
        return int(amount * NUSD_PER_USD)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(Decimal(value) / NUSD_PER_USD)


class TenantSettingsSerializer(TenantModelSerializer[Tenant]):
    anomaly_minimum = DollarsField(source="anomaly_minimum_nusd", required=False, help_text="USD off from which on an anomaly is told.")

    class Meta:
        model = Tenant
        fields = [
            "slug", "name", "time_zone", "default_tier", "new_end_users_per_hour", "open_calls_per_end_user", "anomaly_minimum",
            "anomaly_minimum_percent",
        ]
        read_only_fields = ["slug", "name", "time_zone", "default_tier"]


class ErasureSerializer(TenantModelSerializer[Erasure]):
    class Meta:
        model = Erasure
        fields = ["id", "end_user_id", "erased_at", "actor"]
        read_only_fields = fields


class EndUserSerializer(TenantModelSerializer[EndUser]):
    tier = TierNameField(allow_null=True, required=False)

    class Meta:
        model = EndUser
        fields = ["id", "external_id", "tier", "is_blocked", "created_at"]
        read_only_fields = ["external_id"]


class TierSerializer(TenantModelSerializer[Tier]):
    name = serializers.CharField(max_length=64, validators=[slug_rule])

    class Meta:
        model = Tier
        fields = ["id", "name", "title", "requests_per_minute", "tokens_per_minute"]
        create_only = ["name"]
