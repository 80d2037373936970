"""REST for models that billed beyond their bound: which are set aside, and that somebody has looked."""

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing.models import QuarantinedModel
from billing.services import clear_quarantine
from tenants.api.base import ScopedViewMixin, TenantModelSerializer
from tenants.api.filtering import StrictFilters
from tenants.authentication import caller_of
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key


class QuarantinedModelSerializer(TenantModelSerializer[QuarantinedModel]):
    class Meta:
        model = QuarantinedModel
        fields = ["id", "provider", "model", "reason", "reservation_id", "since", "cleared_at", "cleared_by"]
        read_only_fields = fields


class QuarantineFilters(filters.FilterSet):
    is_set_aside = filters.BooleanFilter(field_name="cleared_at", lookup_expr="isnull", help_text="Only those that nobody has cleared yet.")


class QuarantinedModelViewSet(ScopedViewMixin, ListModelMixin, RetrieveModelMixin, GenericViewSet[QuarantinedModel]):
    """Models that billed beyond the bound of a call: no budget that degrades or blocks bears them until they are cleared. Newest first."""

    required_scopes = MANAGEMENT
    serializer_class = QuarantinedModelSerializer
    filterset_class = QuarantineFilters
    filter_backends = [StrictFilters]
    page_ordering = ("-since", "-id")

    def get_queryset(self) -> QuerySet[QuarantinedModel]:
        return QuarantinedModel.objects.none() if getattr(self, "swagger_fake_view", False) else QuarantinedModel.objects.all()

    @extend_schema(request=None, responses=QuarantinedModelSerializer)
    @action(detail=True, methods=["post"])
    def clear(self, request: Request, pk: str) -> Response:
        """Say that somebody has looked, and that budgets may bear the model again. Should it bill beyond its bound again, it is set aside anew."""
        cleared = clear_quarantine(self.get_object(), actor=actor_of_key(caller_of(request).key_id), now=timezone.now())
        return Response(self.get_serializer(cleared).data)
