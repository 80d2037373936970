"""REST for the price book and the book of costs."""

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from billing.api.repricing import RepricePostedSerializer, RepriceRequestSerializer, RepricingSerializer, post_repricing, show_repricing
from billing.api.serializers import CostEntrySerializer, ModelPriceSerializer, PlatformPriceSerializer
from billing.models import CostEntry, ModelPrice, PlatformPrice
from tenants.api.base import ScopedViewMixin, TenantModelViewSet
from tenants.api.end_user_filters import EndUserFilters
from tenants.api.filtering import StrictFilters
from tenants.authentication import caller_of
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key


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

    @extend_schema(responses=RepricingSerializer, filters=False)
    @action(detail=True, methods=["get"])
    def repricing(self, request: Request, pk: str) -> Response:
        """What it would change to price all calls of the version's time by it: per day, booked, re-priced and the difference. Changes nothing."""
        return Response(RepricingSerializer(show_repricing(self.get_object())).data)

    @extend_schema(request=RepriceRequestSerializer, responses=RepricePostedSerializer)
    @repricing.mapping.post
    def apply_repricing(self, request: Request, pk: str) -> Response:
        """Post the differences as adjustment entries. Large months take several requests: go on with `cursor` until `done`. Again is safe."""
        version = self.get_object()
        wanted = RepriceRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        reason = wanted.validated_data.get("reason") or f"price of {version.model} from {version.valid_from:%Y-%m-%d}: {version.source}"
        actor = actor_of_key(caller_of(request).key_id)
        answer = post_repricing(version, actor=actor, reason=reason, cursor=wanted.validated_data.get("cursor"))
        return Response(RepricePostedSerializer(answer).data)


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
