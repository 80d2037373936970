"""REST for runs that were made: what each did, step by step, and what it cost."""


from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api.fields import UsdField
from billing.api.serializers import CostEntrySerializer
from billing.models import CostEntry
from cascade.api.steps import StepSerializer
from cascade.models import CascadeRun
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.api.end_user_filters import EndUserFilters
from tenants.permissions import MANAGEMENT


class RunTraceSerializer(TenantModelSerializer[CascadeRun]):
    cost = UsdField(source="cost_nusd", read_only=True, help_text="USD.")
    baseline = UsdField(source="baseline_nusd", read_only=True, allow_null=True, help_text="What the baseline would have cost, in USD.")
    saved_by_cache = UsdField(source="saved_by_cache_nusd", read_only=True, help_text="USD of baseline minus cost that caching made up.")
    saved_by_price = UsdField(source="saved_by_price_nusd", read_only=True, help_text="USD of it that prices of your own made up.")
    steps = serializers.SerializerMethodField(help_text="As they were kept: runs of older releases lack what was added since.")

    class Meta:
        model = CascadeRun
        fields = [
            "id", "status", "end_user_id", "api_key_id", "tier", "preset", "policy_version", "arm", "shadow_of", "domain", "domain_confidence",
            "complexity", "model_used", "draft_accepted", "score", "cost", "cost_nusd", "baseline", "baseline_model",
            "saved_by_cache", "saved_by_price", "latency_ms", "first_token_ms", "error_code", "tags", "started_at", "steps",
        ]
        read_only_fields = fields

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, run: CascadeRun) -> object:
        return run.steps


class RunDetailSerializer(RunTraceSerializer):
    entries = serializers.SerializerMethodField(help_text="Its cost entries, call by call.")

    class Meta(RunTraceSerializer.Meta):
        fields = [*RunTraceSerializer.Meta.fields, "entries"]
        read_only_fields = fields

    @extend_schema_field(CostEntrySerializer(many=True))
    def get_entries(self, run: CascadeRun) -> object:
        return CostEntrySerializer(CostEntry.objects.filter(reservation_id=run.pk).order_by("leg", "attempt", "booked_at"), many=True).data


class RunFilters(EndUserFilters):
    started_after = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="gte", help_text="At or after this time.")
    started_before = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt", help_text="Before this time.")
    api_key_id = filters.UUIDFilter()
    status = filters.CharFilter()
    domain = filters.CharFilter()
    tier = filters.CharFilter()
    preset = filters.CharFilter()
    policy_version = filters.CharFilter()
    arm = filters.CharFilter(help_text="cascade, baseline or shadow.")
    shadow_of = filters.UUIDFilter(help_text="The served run whose shadow is wanted.")
    model_used = filters.CharFilter()
    draft_accepted = filters.BooleanFilter()


class RunHistoryViewSet(TenantModelViewSet[CascadeRun]):
    """Runs that were made, newest first. Scores, counts and times: texts are not kept here."""

    required_scopes = MANAGEMENT
    filterset_class = RunFilters
    http_method_names = ["get", "head"]
    page_ordering = ("-started_at", "-id")

    def get_serializer_class(self) -> type[RunTraceSerializer]:
        return RunDetailSerializer if self.action == "retrieve" else RunTraceSerializer
