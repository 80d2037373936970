"""REST for budgets, the price book and the book of costs."""


from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.serializers import BaseSerializer

from billing import services
from billing.api.serializers import BudgetSerializer, CostEntrySerializer, ModelPriceSerializer
from billing.models import Budget, CostEntry, ModelPrice
from tenants.api.base import TenantModelViewSet
from tenants.api.end_user_filters import EndUserFilters
from tenants.permissions import MANAGEMENT


class BudgetFilters(filters.FilterSet):
    scope = filters.CharFilter()
    subject = filters.CharFilter()
    include_ended = filters.BooleanFilter(method="with_ended", help_text="Deleted budgets too.")

    def with_ended(self, rows: QuerySet[Budget], name: str, value: bool) -> QuerySet[Budget]:  # noqa: FBT001 - django-filter's signature
        return rows

    @property
    def qs(self) -> QuerySet[Budget]:
        rows: QuerySet[Budget] = super().qs
        return rows if self.form.cleaned_data.get("include_ended") else rows.filter(ended_at=None)


@extend_schema_view(destroy=extend_schema(description="End the budget: it limits nothing from now on, and its windows stay as history."))
class BudgetViewSet(TenantModelViewSet[Budget]):
    """Limits on what may be spent in a window of time, as decimal strings in USD."""

    required_scopes = MANAGEMENT
    serializer_class = BudgetSerializer
    filterset_class = BudgetFilters

    def perform_destroy(self, instance: Budget) -> None:
        services.end_budget(budget=instance, now=timezone.now())


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
