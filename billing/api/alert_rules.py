"""REST for alert rules: which alerts go to which channel, and when."""

from typing import Any

from rest_framework import serializers

from billing.alerting.channels import check_room_for_rule
from billing.api.fields import UsdField
from billing.models import AlertRule
from billing.models.alerts import KINDS, PACES, SCOPES, SEVERITIES
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.permissions import MANAGEMENT

CLOCK = ["%H:%M", "%H:%M:%S"]


class AlertRuleSerializer(TenantModelSerializer[AlertRule]):
    """A channel that has no rule is sent what is usual for its kind; with the first rule, what its rules say and nothing else."""

    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS), max_length=len(KINDS), required=False,
        help_text="Empty: every kind.",
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES), max_length=len(SCOPES), required=False,
        help_text="Of alerts about budgets, those of budgets of these scopes. Empty: every scope.",
    )
    min_severity = serializers.ChoiceField(choices=SEVERITIES, required=False)
    min_amount = UsdField(source="min_amount_nusd", required=False, help_text="USD: of alerts about money, those about so much.")
    pace = serializers.ChoiceField(choices=PACES, required=False)
    digest_hour = serializers.IntegerField(min_value=0, max_value=23, required=False, help_text="Hour of your day at which a daily message leaves.")
    quiet_from = serializers.TimeField(
        format=CLOCK[0], input_formats=CLOCK, required=False, allow_null=True, help_text="From this time of your day on messages wait..."
    )
    quiet_until = serializers.TimeField(
        format=CLOCK[0], input_formats=CLOCK, required=False, allow_null=True, help_text="... until this one, and then leave as one."
    )

    class Meta:
        model = AlertRule
        fields = [
            "id", "channel", "name", "kinds", "scopes", "min_severity", "min_amount", "pace", "digest_hour", "quiet_from", "quiet_until",
            "critical_passes", "tells_end", "is_active", "created_at",
        ]  # fmt: skip

    def validate_kinds(self, kinds: list[str]) -> list[str]:
        return sorted(set(kinds))

    def validate_scopes(self, scopes: list[str]) -> list[str]:
        return sorted(set(scopes))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        begins, ends = (attrs[name] if name in attrs else getattr(self.instance, name, None) for name in ("quiet_from", "quiet_until"))
        if (begins is None) != (ends is None) or (begins is not None and begins == ends):
            raise serializers.ValidationError({"quiet_until": "Quiet hours begin and end: give both times, and not the same, or neither."})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> AlertRule:
        check_room_for_rule()
        return super().create(validated_data)


class AlertRuleViewSet(TenantModelViewSet[AlertRule]):
    """Which alerts go to which channel: kinds, scopes, severity and money; at once, gathered, or after the quiet hours."""

    required_scopes = MANAGEMENT
    serializer_class = AlertRuleSerializer
    page_ordering = ("created_at", "id")
