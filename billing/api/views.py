"""REST for the price book and the book of costs."""

from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.serializers import BaseSerializer

from billing.api.serializers import CostEntrySerializer, ModelPriceSerializer
from billing.models import CostEntry, ModelPrice
from tenants.api.base import TenantModelViewSet
from tenants.api.end_user_filters import EndUserFilters
from tenants.permissions import MANAGEMENT


class PriceFilters(filters.FilterSet):
    model = filters.CharFilter()
    is_open = filters.BooleanFilter(field_name="valid_to", lookup_expr="isnull", help_text="Only versions without an end.")


@extend_schema_view(create=extend_schema(description="Append a version: the one before it ends at its `valid_from` (now, if left out)."))
class PriceViewSet(TenantModelViewSet[ModelPrice]):
    """The price book. Versions are never edited, only followed."""

    required_scopes = MANAGEMENT
    serializer_class = ModelPriceSerializer
    filterset_class = PriceFilters
    http_method_names = ["get", "post", "head"]

    def perform_create(self, serializer: BaseSerializer[ModelPrice]) -> None:
        serializer.save(valid_from=serializer.validated_data.get("valid_from") or timezone.now())


class CostEntryFilters(EndUserFilters):
    booked_after = filters.IsoDateTimeFilter(field_name="booked_at", lookup_expr="gte", help_text="At or after this time.")
    booked_before = filters.IsoDateTimeFilter(field_name="booked_at", lookup_expr="lt", help_text="Before this time.")
    api_key_id = filters.UUIDFilter()
    reservation_id = filters.UUIDFilter(help_text="The run's id.")
    model = filters.CharFilter()
    domain = filters.CharFilter()
    tier = filters.CharFilter()
    kind = filters.ChoiceFilter(choices=CostEntry.Kind.choices)


class CostEntryViewSet(TenantModelViewSet[CostEntry]):
    """The book: one entry for each call to a provider, and each correction. Only read."""

    required_scopes = MANAGEMENT
    serializer_class = CostEntrySerializer
    filterset_class = CostEntryFilters
    http_method_names = ["get", "head"]
    page_ordering = ("-booked_at", "-id")
