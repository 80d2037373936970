"""REST for connections, models, policies and domain rules."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cascade.api.provider_status import ConnectionCheckSerializer, HealthQuerySerializer, ProviderHealthSerializer
from cascade.api.serializers import CatalogModelSerializer, DomainRuleSerializer, ProviderConnectionSerializer, TierPolicySerializer
from cascade.connections import delete_connection
from cascade.models import CatalogModel, DomainRule, ProviderConnection, TierPolicy
from cascade.provider_checks import ConnectionCheck, check_connection
from cascade.provider_health import health_of
from cascade.runtime import borrowed
from tenants.api.base import TenantModelViewSet
from tenants.authentication import Caller, caller_of
from tenants.permissions import MANAGEMENT
from tenants.scoping import tenant_scope


class ProviderConnectionViewSet(TenantModelViewSet[ProviderConnection]):
    """The tenant's access to providers. Credentials go in and never come out."""

    required_scopes = MANAGEMENT
    serializer_class = ProviderConnectionSerializer
    page_ordering = "name"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action == "check":
            APIView.initial(self, request, *args, **kwargs)  # no transaction stays open while a provider answers
        else:
            super().initial(request, *args, **kwargs)

    def perform_destroy(self, instance: ProviderConnection) -> None:
        delete_connection(instance)

    @extend_schema(request=None, responses=ConnectionCheckSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        """Ask the connection's draft model (or its cheapest) for one word, and say what works and what to do. Costs a few tokens, booked
        under the tag `provider-check`.
        """
        caller = caller_of(request)
        with tenant_scope(caller.tenant_id):
            row = self.get_object()
        if not connection.in_atomic_block:
            connection.close()  # it would stay open, one a thread, for as long as the provider takes
        return Response(msgspec.to_builtins(async_to_sync(_check)(caller, row)))

    @extend_schema(parameters=[HealthQuerySerializer], responses=ProviderHealthSerializer, filters=False)
    @action(detail=True, methods=["get"])
    def health(self, request: Request, pk: str) -> Response:
        """Show how the connection's calls went in the last minutes."""
        row = self.get_object()
        wanted = HealthQuerySerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        minutes = wanted.validated_data["minutes"]
        health = health_of(provider=row.name, minutes=minutes, now=timezone.now())
        told = {
            "connection": row.name, "minutes": minutes, "state": health.state, "failure_share": health.failure_share,
            "error_codes": health.error_codes, **msgspec.structs.asdict(health.calls),
        }
        return Response(ProviderHealthSerializer(told).data)


async def _check(caller: Caller, row: ProviderConnection) -> ConnectionCheck:
    async with borrowed() as runtime:
        checking = check_connection(runtime=runtime, caller=caller, connection=row.name, provider=row.provider, now=timezone.now())
        return await runtime.see_through(checking)


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

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "today": timezone.now().date()}


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
