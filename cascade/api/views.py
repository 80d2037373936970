"""REST for connections, models, policies and domain rules."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from cascade.api.serializers import CatalogModelSerializer, DomainRuleSerializer, ProviderConnectionSerializer, TierPolicySerializer
from cascade.connections import delete_connection
from cascade.models import CatalogModel, DomainRule, ProviderConnection, TierPolicy
from tenants.api.base import TenantModelViewSet
from tenants.permissions import MANAGEMENT


class ProviderConnectionViewSet(TenantModelViewSet[ProviderConnection]):
    """The tenant's access to providers. Credentials go in and never come out."""

    required_scopes = MANAGEMENT
    serializer_class = ProviderConnectionSerializer
    page_ordering = "name"

    def perform_destroy(self, instance: ProviderConnection) -> None:
        delete_connection(instance)


class CatalogModelFilters(filters.FilterSet):
    name = filters.CharFilter()
    connection = filters.UUIDFilter(field_name="connection_id")
    part = filters.CharFilter()


class CatalogModelViewSet(TenantModelViewSet[CatalogModel]):
    """Models that the tenant may use, under its own names. Their prices are in the price book."""

    required_scopes = MANAGEMENT
    serializer_class = CatalogModelSerializer
    filterset_class = CatalogModelFilters
    page_ordering = "name"


class TierPolicyViewSet(TenantModelViewSet[TierPolicy]):
    """What each tier may use. It binds on every path of a run."""

    required_scopes = MANAGEMENT
    serializer_class = TierPolicySerializer

    def get_queryset(self) -> QuerySet[TierPolicy]:
        return super().get_queryset().select_related("tier")


class DomainRuleFilters(filters.FilterSet):
    domain = filters.CharFilter()


class DomainRuleViewSet(TenantModelViewSet[DomainRule]):
    """Words and phrases that speak for a domain, beside or instead of the built-in ones."""

    required_scopes = MANAGEMENT
    serializer_class = DomainRuleSerializer
    filterset_class = DomainRuleFilters
