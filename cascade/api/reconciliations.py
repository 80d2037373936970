"""REST for usage files of providers: sent, compared with the book, looked at, and their corrections posted."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import UsdField
from billing.engine.money import to_usd
from billing.models import Reconciliation
from billing.reconciling import approve, keep, post_corrections
from cascade.api.usage_uploads import CsvParser, read_upload
from cascade.catalog import catalog_of
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.api.parsing import StrictJSONParser
from tenants.authentication import caller_of
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key

MOST_LINES = 100_000
"""Calls of the book that a request compares; `manage.py reconcile` compares any number."""


class CountsSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()


class GapSerializer(serializers.Serializer[Any]):
    """One day, model and user. Amounts in USD."""

    day = serializers.DateField(help_text="UTC.")
    model = serializers.CharField(help_text="The provider's name.")
    user = serializers.CharField(help_text="Our id of the end user; empty where the file names none.")
    kinds = serializers.ListField(child=serializers.CharField(), help_text="What kind of gap it is, for programs.")
    words = serializers.CharField(help_text="The same for people.")
    provider = CountsSerializer()
    book = CountsSerializer()
    provider_amount = serializers.CharField(help_text="USD: what the provider's counts cost at the prices of the book.")
    booked_amount = serializers.CharField(help_text="USD.")
    difference = serializers.CharField(help_text="USD that the provider billed beyond what is booked.")
    adjustments = serializers.IntegerField(help_text="Entries that approving corrects.")
    adjusting = serializers.CharField(help_text="USD by which it corrects them in all.")


class SummarySerializer(serializers.Serializer[Any]):
    groups = serializers.IntegerField()
    kinds = serializers.DictField(child=serializers.IntegerField(), help_text="How many groups have each kind of gap.")
    names_users = serializers.BooleanField(help_text="False: the file does not name end users of yours, so they are one group.")
    adjustments = serializers.IntegerField()
    adjusting = serializers.CharField(help_text="USD.")


class ReconciliationSerializer(TenantModelSerializer[Reconciliation]):
    provider_amount = UsdField(source="provider_nusd", read_only=True, help_text="USD that the provider billed on the file's days.")
    booked_amount = UsdField(source="booked_nusd", read_only=True, help_text="USD that the book had for them.")
    adjusted = UsdField(source="adjusted_nusd", read_only=True, help_text="USD of the corrections that were posted.")
    summary = serializers.SerializerMethodField()

    class Meta:
        model = Reconciliation
        fields = [
            "id", "provider", "file_name", "file_digest", "first_day", "last_day", "provider_amount", "booked_amount", "summary", "created_by",
            "created_at", "approved_by", "approved_at", "posted_at", "adjusted",
        ]
        read_only_fields = fields

    @extend_schema_field(SummarySerializer)
    def get_summary(self, row: Reconciliation) -> dict[str, Any]:
        return _in_usd(row.summary)


class ReconciliationDetailSerializer(ReconciliationSerializer):
    gaps = serializers.SerializerMethodField(help_text="The groups that are not equal, as they were when the file was compared; the first 2,000.")

    class Meta(ReconciliationSerializer.Meta):
        fields = [*ReconciliationSerializer.Meta.fields, "gaps"]
        read_only_fields = fields

    @extend_schema_field(GapSerializer(many=True))
    def get_gaps(self, row: Reconciliation) -> list[dict[str, Any]]:
        return [_in_usd(gap) for gap in row.gaps]


class PostedSerializer(ReconciliationSerializer):
    """For the document: the row, and what was not posted."""

    refused = serializers.ListField(
        child=serializers.CharField(), read_only=True,
        help_text="Why corrections were not posted (changed, open, too_low); approve again to try again. Empty when all are.",
    )

    class Meta(ReconciliationSerializer.Meta):
        fields = [*ReconciliationSerializer.Meta.fields, "refused"]
        read_only_fields = fields


class ReconciliationFilters(filters.FilterSet):
    provider = filters.CharFilter()
    is_open = filters.BooleanFilter(field_name="posted_at", lookup_expr="isnull", help_text="Only those whose corrections are not all posted.")


class ReconciliationViewSet(TenantModelViewSet[Reconciliation]):
    """Usage files of providers beside the book. What the provider reported with its answers is never touched; what was a guess of ours is
    corrected on approval, by adjustment entries."""

    required_scopes = MANAGEMENT
    serializer_class = ReconciliationSerializer
    filterset_class = ReconciliationFilters
    http_method_names = ["get", "post", "head"]
    parser_classes = [MultiPartParser, CsvParser, StrictJSONParser]
    page_ordering = ("-created_at", "-id")

    def get_queryset(self) -> QuerySet[Reconciliation]:
        rows = super().get_queryset().defer("usage")
        return rows if self.detail else rows.defer("usage", "gaps")

    @extend_schema(responses=ReconciliationDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One file, with each gap."""
        return Response(ReconciliationDetailSerializer(self.get_object()).data)

    @extend_schema(
        request={
            "multipart/form-data": {
                "type": "object", "required": ["file", "provider"],
                "properties": {"file": {"type": "string", "format": "binary"}, "provider": {"type": "string"}, "file_name": {"type": "string"}},
            },
            "text/csv": OpenApiTypes.STR,
        },
        parameters=[
            OpenApiParameter("provider", str, description="The connection's name, where the body is the file itself."),
            OpenApiParameter("file_name", str, description="What the file is called."),
        ],
        responses={200: ReconciliationDetailSerializer, 201: ReconciliationDetailSerializer},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Compare a usage file with the book: nothing is posted yet. The same file again shows the same row, brought up to date (200)."""
        upload = read_upload(request)
        known = Reconciliation.objects.filter(provider=upload.provider, file_digest=upload.digest).exists()
        row, _ = keep(
            upload.usage, catalog=catalog_of(upload.provider), digest=upload.digest, file_name=upload.file_name,
            actor=actor_of_key(caller_of(request).key_id), most_lines=MOST_LINES,
        )  # fmt: skip
        return Response(ReconciliationDetailSerializer(row).data, status=200 if known else 201)

    @extend_schema(request=None, responses=PostedSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Post the corrections, worked out anew from the book as it is now. After a failure half way, approve again: nothing is posted twice."""
        row, now = self.get_object(), timezone.now()
        approve(row, actor=actor_of_key(caller_of(request).key_id), now=now)
        refused = post_corrections(row, catalog=catalog_of(row.provider), now=now, most_lines=MOST_LINES)
        return Response({**ReconciliationSerializer(row).data, "refused": refused})


def _in_usd(values: dict[str, Any]) -> dict[str, Any]:
    """Stored in nano-USD, shown in USD."""
    names = {"provider_nusd": "provider_amount", "booked_nusd": "booked_amount", "difference_nusd": "difference", "adjusting_nusd": "adjusting"}
    return {names.get(name, name): to_usd(value) if name in names else value for name, value in values.items()}
