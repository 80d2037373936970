"""REST for the savings statement: what the runs of some days saved, and where it comes from."""

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing.api.fields import UsdField
from billing.reports.statements import days_of
from cascade.models import CascadeRun
from cascade.savings import savings_statement
from tenants.api.base import ScopedViewMixin
from tenants.authentication import caller_of
from tenants.models import Scope, Tenant

MOST_DAYS = 366


class DaysSerializer(serializers.Serializer[Any]):
    first = serializers.DateField(help_text="First day, in your zone.")
    last = serializers.DateField(help_text="Last day, included.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        first: date = attrs["first"]
        if not 0 <= (attrs["last"] - first).days < MOST_DAYS:
            raise serializers.ValidationError({"last": f"The last day is not before the first, and at most {MOST_DAYS} days are summed."})
        return attrs


class SavingsSerializer(serializers.Serializer[Any]):
    first = serializers.DateField()
    last = serializers.DateField()
    runs = serializers.IntegerField(help_text="That were answered and whose baseline is known.")
    runs_without_baseline = serializers.IntegerField(help_text="In no sum: no baseline was priced for them.")
    baseline = UsdField(source="baseline_nusd", read_only=True, help_text="USD that the baseline model would have cost for the same answers.")
    actual = UsdField(source="actual_nusd", read_only=True, help_text="USD that was spent, rejected drafts and checks included.")
    saved = UsdField(source="saved_nusd", read_only=True, help_text="USD: the sum of the four parts. Negative where more was spent.")
    saved_percent = serializers.IntegerField()
    by_routing = UsdField(source="by_routing_nusd", read_only=True, help_text="USD by cheaper models that were good enough.")
    by_degrade = UsdField(source="by_degrade_nusd", read_only=True, help_text="USD by cheaper paths that budgets left.")
    by_cache = UsdField(source="by_cache_nusd", read_only=True, help_text="USD by caching, beyond the baseline's.")
    by_price = UsdField(source="by_price_nusd", read_only=True, help_text="USD by prices of your own, beyond the baseline's.")


class SavingsViewSet(ScopedViewMixin, GenericViewSet[CascadeRun]):
    """A statement beside the book: savings are no entries in it."""

    required_scopes = {"read": Scope.READ, "write": Scope.READ}
    serializer_class = SavingsSerializer

    @extend_schema(parameters=[DaysSerializer], responses=SavingsSerializer, filters=False)
    def list(self, request: Request) -> Response:
        """What the runs of these days saved against the baseline, and where it comes from. The parts add up, to the nano-dollar."""
        days = DaysSerializer(data=request.query_params)
        days.is_valid(raise_exception=True)
        first, last = days.validated_data["first"], days.validated_data["last"]
        stretch = days_of(tenant=Tenant.objects.get(pk=caller_of(request).tenant_id), first=first, last=last)
        stated = savings_statement(start_at=stretch.start_at, end_at=stretch.end_at)
        facts = {name: getattr(stated, name) for name in (
            "runs", "runs_without_baseline", "baseline_nusd", "actual_nusd", "saved_nusd", "saved_percent", "by_routing_nusd", "by_degrade_nusd",
            "by_cache_nusd", "by_price_nusd",
        )}  # fmt: skip
        return Response(SavingsSerializer({"first": first, "last": last, **facts}).data)
