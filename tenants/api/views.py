"""REST for keys, end users and tiers."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenants import services
from tenants.api.base import ScopedViewMixin, TenantModelViewSet
from tenants.api.serializers import (
    ApiKeySerializer,
    EndUserSerializer,
    ErasureSerializer,
    NewApiKeySerializer,
    RollSerializer,
    TenantSettingsSerializer,
    TierSerializer,
)
from tenants.authentication import caller_of
from tenants.models import ApiKey, EndUser, Erasure, Tenant, Tier
from tenants.permissions import MANAGEMENT


class ApiKeyViewSet(TenantModelViewSet[ApiKey]):
    """API keys of the tenant's applications. A secret is shown once, when its key is made."""

    required_scopes = MANAGEMENT
    serializer_class = ApiKeySerializer

    @extend_schema(responses={201: NewApiKeySerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        made = services.issue_key(**{"expires_at": None, **given}, now=timezone.now())
        return _with_secret(*made)

    @extend_schema(request=RollSerializer, responses={201: NewApiKeySerializer})
    @action(detail=True, methods=["post"])
    def roll(self, request: Request, pk: str) -> Response:
        """Make a successor of the key; the old one goes on working for the overlap."""
        wanted = RollSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        overlap = services.OVERLAPS[wanted.validated_data["overlap"]]
        return _with_secret(*services.roll_key(key=self.get_object(), overlap=overlap, now=timezone.now()))

    @extend_schema(request=None, responses=ApiKeySerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Refuse the key from now on. Revoking it again changes nothing."""
        return Response(self.get_serializer(services.revoke_key(key=self.get_object(), now=timezone.now())).data)

    @extend_schema(description="Revoke the key: it is refused from now on, and stays in the list.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        services.revoke_key(key=self.get_object(), now=timezone.now())
        return Response(status=204)


def _with_secret(key: ApiKey, secret: str) -> Response:
    return Response({**ApiKeySerializer(key).data, "key": secret}, status=201)


class EndUserFilters(filters.FilterSet):
    external_id = filters.CharFilter(help_text="Exactly this one.")
    search = filters.CharFilter(field_name="external_id", lookup_expr="startswith", help_text="Those whose external id begins so.")
    tier = filters.CharFilter(field_name="tier__name", help_text="Name of the tier.")
    is_blocked = filters.BooleanFilter()


class EndUserViewSet(TenantModelViewSet[EndUser]):
    """The tenant's customers, found, moved to a tier and blocked. They come into being with their first call, or by name at `lookup/`."""

    required_scopes = MANAGEMENT
    serializer_class = EndUserSerializer
    filterset_class = EndUserFilters
    http_method_names = ["get", "patch", "head"]
    page_ordering = "external_id"

    def get_queryset(self) -> QuerySet[EndUser]:
        return super().get_queryset().select_related("tier")


class TierViewSet(TenantModelViewSet[Tier]):
    """Classes of end users, such as free and pro. What a tier may use is its policy."""

    required_scopes = MANAGEMENT
    serializer_class = TierSerializer
    page_ordering = "name"

    def perform_destroy(self, instance: Tier) -> None:
        services.delete_tier(instance)


class TenantSettingsViewSet(ScopedViewMixin, GenericViewSet[Tenant]):
    """What the tenant settled for all of its calls."""

    required_scopes = MANAGEMENT
    serializer_class = TenantSettingsSerializer
    pagination_class = None

    @extend_schema(responses=TenantSettingsSerializer)
    @action(detail=False, methods=["get"], url_path="settings")
    def show_settings(self, request: Request) -> Response:
        """The limits against abuse: new end users an hour, and calls that one end user may have in flight. null is no limit."""
        return Response(self.get_serializer(_own_tenant(request)).data)

    @extend_schema(responses=TenantSettingsSerializer)
    @show_settings.mapping.patch
    def change_settings(self, request: Request) -> Response:
        """Change the limits. They hold within a second."""
        wanted = self.get_serializer(_own_tenant(request), data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        wanted.save()
        return Response(wanted.data)


def _own_tenant(request: Request) -> Tenant:
    return Tenant.objects.get(pk=caller_of(request).tenant_id)


class ErasureViewSet(TenantModelViewSet[Erasure]):
    """That end users were erased, when and by whom; never who they were."""

    required_scopes = MANAGEMENT
    serializer_class = ErasureSerializer
    http_method_names = ["get", "head"]
    page_ordering = ("-erased_at", "-id")
