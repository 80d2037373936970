"""REST for budgets: set, overridden for a while, checked, and how their windows stand."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing import reports, services
from billing.api.fields import UsdField
from billing.api.serializers import BudgetSerializer
from billing.engine.money import to_usd
from billing.engine.tracking import CostTracker, WindowSum
from billing.models import Budget, BudgetMark, BudgetWindow
from tenants.api.base import ScopedViewMixin, TenantModelSerializer, TenantModelViewSet
from tenants.authentication import caller_of
from tenants.models import EndUser, Tenant
from tenants.permissions import CALLS, MANAGEMENT

LONGEST_OVERRIDE = timedelta(days=366)


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


class OverrideSerializer(serializers.Serializer[Any]):
    """A limit that takes the budget's place for a while. Say when it ends: `until`, or `hours` from now."""

    limit = UsdField(help_text="USD per period while the override lasts. Higher or lower than the budget's own.")
    until = serializers.DateTimeField(required=False)
    hours = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_OVERRIDE.days * 24)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        if ("until" in attrs) == ("hours" in attrs):
            raise ValidationError({"until": "Say either `until`, a time, or `hours`, a number: an override always ends."})
        attrs["until"] = attrs.get("until") or now + timedelta(hours=attrs["hours"])
        if not now < attrs["until"] <= now + LONGEST_OVERRIDE:
            raise ValidationError({"until": "Name a time that is yet to come, at most a year ahead."})
        return attrs


class CheckSerializer(serializers.Serializer[Any]):
    """A cost that somebody would spend."""

    estimated_cost = UsdField(help_text="USD.")
    user_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=255, help_text="Your own name for the end user.")
    tier = serializers.CharField(required=False, max_length=64, help_text="As a call would say it; else the end user's own.")
    tags = serializers.ListField(child=serializers.CharField(max_length=100), required=False, max_length=10, default=list)


class WindowSumSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    scope = serializers.CharField()
    subject = serializers.CharField()
    period = serializers.CharField()
    action = serializers.CharField()
    limit = UsdField(source="limit_nusd")
    spent = UsdField(source="spent_nusd")
    held = UsdField(source="held_nusd", help_text="By calls in flight.")
    free = UsdField(source="free_nusd")
    start_at = serializers.DateTimeField()
    resets_at = serializers.SerializerMethodField(help_text="Null for a budget over all time.")

    def get_resets_at(self, window: WindowSum) -> str | None:
        return None if window.period == "total" else window.end_at.isoformat()


class AffordabilitySerializer(serializers.Serializer[Any]):
    can_afford = serializers.BooleanField(help_text="Would a call of this cost be admitted as it is?")
    action = serializers.CharField(source="verdict", help_text="allow, warn, degrade or block: what would happen.")
    remaining = UsdField(source="remaining_nusd", allow_null=True, help_text="USD that the tightest budget has left that degrades or blocks.")
    windows = WindowSumSerializer(many=True)


class SpentSerializer(serializers.Serializer[Any]):
    today = serializers.CharField()
    this_week = serializers.CharField()
    this_month = serializers.CharField()


class UserSummarySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    user_id = serializers.CharField(help_text="Your own name for the end user.")
    tier = serializers.CharField(allow_null=True)
    is_blocked = serializers.BooleanField()
    spent = SpentSerializer(help_text="USD, by the tenant's calendar.")
    remaining = serializers.CharField(allow_null=True, help_text="USD that the tightest budget has left that degrades or blocks.")
    windows = WindowSumSerializer(many=True)


class BudgetWindowSerializer(TenantModelSerializer[BudgetWindow]):
    limit = UsdField(source="limit_nusd", read_only=True)
    opening = UsdField(source="opening_nusd", read_only=True, help_text="Spent in the window before the budget was set; part of spent.")
    spent = UsdField(source="spent_nusd", read_only=True)
    held = UsdField(source="held_nusd", read_only=True)
    overrun = UsdField(source="overrun_nusd", read_only=True, help_text="Billed by a provider beyond its bound; not part of spent.")

    class Meta:
        model = BudgetWindow
        fields = ["id", "subject", "start_at", "end_at", "limit", "opening", "spent", "held", "overrun"]
        read_only_fields = fields


class BudgetMarkSerializer(TenantModelSerializer[BudgetMark]):
    budget = serializers.UUIDField(source="window.budget_id", read_only=True)
    subject = serializers.CharField(source="window.subject", read_only=True, help_text="Id of the end user whose window it is, or empty.")
    spent = UsdField(source="spent_nusd", read_only=True)
    limit = UsdField(source="limit_nusd", read_only=True)

    class Meta:
        model = BudgetMark
        fields = ["id", "budget", "subject", "percent", "spent", "limit", "reached_at"]
        read_only_fields = fields


@extend_schema_view(destroy=extend_schema(description="End the budget: it limits nothing from now on, and its windows stay as history."))
class BudgetViewSet(TenantModelViewSet[Budget]):
    """Limits on what may be spent in a window of time, as decimal strings in USD."""

    required_scopes = MANAGEMENT
    serializer_class = BudgetSerializer
    filterset_class = BudgetFilters

    def perform_destroy(self, instance: Budget) -> None:
        services.end_budget(budget=instance, now=timezone.now())

    @extend_schema(request=CheckSerializer, responses=AffordabilitySerializer)
    @action(detail=False, methods=["post"], required_scopes=CALLS)
    def check(self, request: Request) -> Response:
        """Ask whether a cost can be afforded. Holds nothing and creates nobody: only a call's own admission is a promise."""
        wanted = CheckSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        source = reports.LedgerSpend(tier=given.get("tier"), api_key=str(caller_of(request).key_id), tags=given["tags"])
        answer = CostTracker(source).can_afford(given["user_id"], to_usd(given["estimated_cost"]), now=timezone.now())
        return Response(AffordabilitySerializer(answer).data)

    @extend_schema(request=OverrideSerializer, responses=BudgetSerializer)
    @action(detail=True, methods=["post", "delete"])
    def override(self, request: Request, pk: str) -> Response:
        """Let another limit take the budget's place for a while. DELETE ends it at once."""
        budget = self.get_object()
        if request.method == "DELETE":
            changed = services.change_budget(budget=budget, changes={"override_limit_nusd": None, "override_until": None})
        else:
            wanted = OverrideSerializer(data=request.data)
            wanted.is_valid(raise_exception=True)
            given = wanted.validated_data
            changed = services.change_budget(budget=budget, changes={"override_limit_nusd": given["limit"], "override_until": given["until"]})
        return Response(self.get_serializer(changed).data)

    @extend_schema(responses=BudgetWindowSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def windows(self, request: Request, pk: str) -> Response:
        """The budget's windows, newest first: what was spent in each."""
        rows: Any = BudgetWindow.objects.filter(budget=self.get_object())
        self.page_ordering = ("-start_at", "-id")
        return self.get_paginated_response(BudgetWindowSerializer(self.paginate_queryset(rows), many=True).data)


class BudgetMarkViewSet(TenantModelViewSet[BudgetMark]):
    """Soft marks that windows have passed, newest first; each once a window."""

    required_scopes = MANAGEMENT
    serializer_class = BudgetMarkSerializer
    http_method_names = ["get", "head"]
    page_ordering = ("-reached_at", "-id")

    def get_queryset(self) -> QuerySet[BudgetMark]:
        return super().get_queryset().select_related("window")


class EndUserSummaryViewSet(ScopedViewMixin, GenericViewSet[EndUser]):
    """How an end user stands: what they spent, and what they may still spend."""

    required_scopes = MANAGEMENT
    serializer_class = UserSummarySerializer

    def get_queryset(self) -> QuerySet[EndUser]:
        return EndUser.objects.none() if getattr(self, "swagger_fake_view", False) else EndUser.objects.select_related("tier")

    @extend_schema(responses=UserSummarySerializer, filters=False)
    @action(detail=True, methods=["get"])
    def summary(self, request: Request, pk: str) -> Response:
        """What the end user spent, and how each budget that binds them stands."""
        user, now = self.get_object(), timezone.now()
        tenant = Tenant.objects.get(pk=user.tenant_id)
        found = CostTracker(reports.LedgerSpend()).get_user_summary(user.external_id, now=now)
        today = reports.today_of(time_zone=tenant.time_zone, now=now)
        firsts = {"today": today, "this_week": today - timedelta(days=today.weekday()), "this_month": today.replace(day=1)}
        spent = {name: to_usd(reports.spend_of_end_user(end_user=user.pk, first=first, last=today)) for name, first in firsts.items()}
        return Response(
            {
                "id": user.pk, "user_id": user.external_id, "tier": user.tier.name if user.tier else None, "is_blocked": user.is_blocked,
                "spent": spent, "remaining": None if found.remaining_nusd is None else to_usd(found.remaining_nusd),
                "windows": WindowSumSerializer(found.windows, many=True).data,
            }
        )
