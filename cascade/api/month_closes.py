"""REST for months that are closed: which are and which are open, close one, look whether any was changed since, and open the last one again."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import UsdField
from billing.closing import OBSTACLES, close_month, obstacles, open_months, reopen_month, verify_closes
from billing.engine.months import Stretch
from billing.models import CloseOfMonth
from cascade.catalog import names_of_models
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.authentication import caller_of
from tenants.models import ApiKey, Membership, Tenant
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key


class StrictSerializer(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else ()
        if unknown:
            known = f"There is no such field. You can set: {', '.join(self.fields)}."
            raise serializers.ValidationError({str(name)[:100]: known for name in unknown})
        return super().to_internal_value(data)


class WantedCloseSerializer(StrictSerializer):
    month = serializers.RegexField(r"^20\d\d-(0[1-9]|1[0-2])\Z", help_text="As 2026-10.")
    in_spite_of = serializers.ListField(
        child=serializers.ChoiceField(choices=OBSTACLES), required=False, max_length=len(OBSTACLES),
        help_text="What stands in the way and is accepted: open_holds, unpriced.",
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500, help_text="Kept with the close.")


class WantedReopeningSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, help_text="Kept with the close.")


class MonthCloseSerializer(TenantModelSerializer[CloseOfMonth]):
    opening = UsdField(source="opening_nusd", read_only=True, help_text="USD: all that was booked before.")
    usage = UsdField(source="usage_nusd", read_only=True, help_text="USD: what calls came to.")
    adjustments = UsdField(source="adjustments_nusd", read_only=True, help_text="USD that was corrected in the month.")
    closing = UsdField(source="closing_nusd", read_only=True, help_text="USD: the sum of the three.")
    hash = serializers.SerializerMethodField(help_text="SHA-256 in hex over every entry and the close before. Keep it elsewhere, and compare it.")

    class Meta:
        model = CloseOfMonth
        fields = [
            "id", "month", "time_zone", "start_at", "end_at", "entries", "opening", "usage", "adjustments", "closing", "hash", "in_spite_of", "actor",
            "reason", "closed_at", "reopened_at", "reopened_by", "reopened_because",
        ]
        read_only_fields = fields

    def get_hash(self, close: CloseOfMonth) -> str:
        return bytes(close.hash).hex()


class OpenMonthSerializer(serializers.Serializer[Any]):
    month = serializers.CharField(help_text="As 2026-10.")
    start_at = serializers.DateTimeField()
    end_at = serializers.DateTimeField()
    is_over = serializers.BooleanField()
    obstacles = serializers.DictField(
        child=serializers.IntegerField(), allow_null=True, help_text="Of the month that is closed next: what stands in its way, and how often."
    )


class TamperedSerializer(serializers.Serializer[Any]):
    month = serializers.DateField()
    what = serializers.CharField()
    entry = serializers.UUIDField(allow_null=True)


class VerifiedSerializer(serializers.Serializer[Any]):
    closed_months = serializers.IntegerField()
    last_hash = serializers.CharField(allow_null=True)
    differences = TamperedSerializer(many=True)


class MonthCloseFilters(filters.FilterSet):
    month = filters.DateFilter(help_text="Its first day.")
    is_reopened = filters.BooleanFilter(field_name="reopened_at", lookup_expr="isnull", exclude=True, help_text="true: only those that were.")


class MonthCloseViewSet(TenantModelViewSet[CloseOfMonth]):
    """Closes of months, newest first. A close that was opened again stays in the list, with who did it and why."""

    required_scopes = MANAGEMENT
    serializer_class = MonthCloseSerializer
    filterset_class = MonthCloseFilters
    http_method_names = ["get", "post", "head"]
    page_ordering = ("-month", "-closed_at", "-id")

    @extend_schema(request=WantedCloseSerializer, responses={201: MonthCloseSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Close a month: its sums stand from then on, and a chain of hashes commits to each of its entries."""
        given = WantedCloseSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        close = close_month(
            month=date.fromisoformat(f"{said['month']}-01"), actor=actor_of_key(caller_of(request).key_id), now=timezone.now(),
            reason=said.get("reason", ""), in_spite_of=said.get("in_spite_of", ()), catalog=names_of_models(),
        )  # fmt: skip
        return Response(self.get_serializer(close).data, status=201)

    @extend_schema(responses=OpenMonthSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], url_path="open", pagination_class=None)
    def show_open(self, request: Request) -> Response:
        """The months that are not closed, oldest first; the last one runs."""
        now = timezone.now()
        months = open_months(tenant=Tenant.objects.get(pk=caller_of(request).tenant_id), now=now)
        return Response([_open_month(month, is_over=month.end_at <= now, is_next=month is months[0]) for month in months])

    @extend_schema(request=None, responses=VerifiedSerializer)
    @action(detail=False, methods=["post"])
    def verify(self, request: Request) -> Response:
        """Read every closed month again, and name each entry that was changed, removed or put in since."""
        found = [{"month": one.month, "what": one.what, "entry": one.entry} for one in verify_closes()]
        closes = list(CloseOfMonth.objects.filter(reopened_at=None))
        last = bytes(closes[0].hash).hex() if closes else None
        return Response(VerifiedSerializer({"closed_months": len(closes), "last_hash": last, "differences": found}).data)

    @extend_schema(request=WantedReopeningSerializer, responses=MonthCloseSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Open the month that was closed last again, and say why. For a key that an owner of the tenant made."""
        close = self.get_object()
        given = WantedReopeningSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        key = caller_of(request).key_id
        reopened = reopen_month(month=close.month, actor=actor_of_key(key), role=_role_behind(key), reason=given.validated_data["reason"])
        return Response(self.get_serializer(reopened).data)


def _open_month(month: Stretch, *, is_over: bool, is_next: bool) -> dict[str, Any]:
    return {
        "month": f"{month.first:%Y-%m}", "start_at": month.start_at, "end_at": month.end_at, "is_over": is_over,
        "obstacles": obstacles(month=month) if is_next else None,
    }  # fmt: skip


def _role_behind(key_id: Any) -> str:
    """The role that the person who made the key has now: a key has none of its own."""
    maker = ApiKey.objects.values_list("created_by", flat=True).get(pk=key_id)
    member = Membership.objects.filter(user=maker).first() if maker else None
    return member.role if member else ""
