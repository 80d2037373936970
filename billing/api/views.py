"""REST for the price book and the book of costs."""

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from billing.api.serializers import CostEntrySerializer, ModelPriceSerializer, PlatformPriceSerializer
from billing.models import CostEntry, ModelPrice, PlatformPrice
from tenants.api.base import ScopedViewMixin, TenantModelViewSet
from tenants.api.end_user_filters import EndUserFilters
from tenants.api.filtering import StrictFilters
from tenants.permissions import MANAGEMENT


class PriceFilters(filters.FilterSet):
    model = filters.CharFilter()
    is_open = filters.BooleanFilter(field_name="valid_to", lookup_expr="isnull", help_text="Only versions without an end.")


class PlatformPriceFilters(PriceFilters):
    provider = filters.CharFilter(help_text="Slug of the provider, as connections name it.")


class PlatformPriceViewSet(ScopedViewMixin, ListModelMixin, GenericViewSet[PlatformPrice]):
    """Prices that hold for models without a price of your own, imported by the operator of this site. Only read."""

    required_scopes = MANAGEMENT
    serializer_class = PlatformPriceSerializer
    filterset_class = PlatformPriceFilters
    filter_backends = [StrictFilters]

    def get_queryset(self) -> QuerySet[PlatformPrice]:
        return PlatformPrice.objects.all()


@extend_schema_view(
    create=extend_schema(
        description="Put a version into the book, from `valid_from` on (now, if left out; the past and the future are fine): the version in force "
        "then ends there, and the new one lasts until the next begins. What was booked keeps its amounts until it is re-priced."
    )
)
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
