"""Who holds money right now, and for what."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api.fields import UsdField
from billing.engine.money import to_usd
from billing.models import BudgetWindow, Reservation
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.api.end_user_filters import EndUserFilters
from tenants.permissions import MANAGEMENT


class HoldLegSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    provider = serializers.CharField()
    model = serializers.CharField()
    bound = serializers.CharField(help_text="USD: the most that this call to a provider can cost.")
    may_be_sent = serializers.BooleanField(help_text="May its first byte have left? After a crash, only such legs are charged.")


class HoldWindowSerializer(serializers.Serializer[Any]):
    window_id = serializers.IntegerField()
    budget_id = serializers.UUIDField()
    budget = serializers.CharField()
    period = serializers.CharField()
    limit = serializers.CharField(help_text="USD.")
    spent = serializers.CharField(help_text="USD.")
    held = serializers.CharField(help_text="USD, by this and other calls in flight.")


class HoldSerializer(TenantModelSerializer[Reservation]):
    held = UsdField(source="amount_nusd", read_only=True, help_text="USD set aside for the worst case of the run.")
    actual = serializers.SerializerMethodField(help_text="USD that it came to; null while it is open.")
    legs = serializers.SerializerMethodField()
    windows = serializers.SerializerMethodField(help_text="The budget windows that it is held in.")
    explanation = serializers.SerializerMethodField()
    _windows: dict[int, BudgetWindow] | None = None

    class Meta:
        model = Reservation
        fields = [
            "id", "state", "held", "actual", "end_user_id", "api_key_id", "labels", "legs", "windows", "created_at", "expires_at", "closed_at",
            "explanation",
        ]
        read_only_fields = fields

    def get_actual(self, hold: Reservation) -> str | None:
        return None if hold.actual_nusd is None else to_usd(hold.actual_nusd)

    @extend_schema_field(HoldLegSerializer(many=True))
    def get_legs(self, hold: Reservation) -> list[dict[str, Any]]:
        return [
            {
                "step": leg["step"], "provider": leg["provider"], "model": leg["model"], "bound": to_usd(leg["amount"]),
                "may_be_sent": bool(hold.sent >> number & 1),
            }
            for number, leg in enumerate(hold.legs)
        ]

    @extend_schema_field(HoldWindowSerializer(many=True))
    def get_windows(self, hold: Reservation) -> list[dict[str, Any]]:
        return [
            {
                "window_id": window.id, "budget_id": window.budget_id, "budget": str(window.budget), "period": window.budget.period,
                "limit": to_usd(window.limit_nusd), "spent": to_usd(window.spent_nusd), "held": to_usd(window.held_nusd),
            }
            for window in self._windows_of(hold)
        ]

    def get_explanation(self, hold: Reservation) -> str:
        if hold.state == Reservation.State.OPEN:
            return (
                f"A call in flight holds {to_usd(hold.amount_nusd)} USD, the most that it can cost. What it does not spend is free again when it "
                f"ends, by {hold.expires_at:%Y-%m-%d %H:%M:%S} UTC at the latest."
            )
        if hold.state == Reservation.State.ASSUMED:
            return "It is not known what the provider billed, so the bound is booked. Reconciling with the provider's usage file corrects it."
        return "The call is over: what it came to is booked, and the rest is free again."

    def _windows_of(self, hold: Reservation) -> list[BudgetWindow]:
        """One query for a page of holds."""
        if self._windows is None:
            page = self.root.instance if isinstance(self.root.instance, list) else [hold]
            wanted = {window for each in page for window in each.window_ids}
            self._windows = {window.id: window for window in BudgetWindow.objects.filter(id__in=wanted).select_related("budget")}
        return [self._windows[window] for window in hold.window_ids if window in self._windows]


class HoldFilters(EndUserFilters):
    state = filters.ChoiceFilter(choices=Reservation.State.choices, help_text="open, settled, voided or assumed; without it, open ones.")
    api_key_id = filters.UUIDFilter()
    budget = filters.UUIDFilter(method="in_budget", help_text="Held in a window of this budget.")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt", help_text="Older than this time.")

    def in_budget(self, rows: QuerySet[Reservation], name: str, value: Any) -> QuerySet[Reservation]:
        windows = list(BudgetWindow.objects.filter(budget=value).order_by("-start_at").values_list("id", flat=True)[:1000])
        return rows.filter(window_ids__overlap=windows) if windows else rows.none()


class HoldViewSet(TenantModelViewSet[Reservation]):
    """Money that is set aside for calls in flight: open holds first and foremost, closed ones by `state`. Only read."""

    required_scopes = MANAGEMENT
    serializer_class = HoldSerializer
    filterset_class = HoldFilters
    http_method_names = ["get", "head"]
    page_ordering = ("-created_at", "-id")

    def get_queryset(self) -> QuerySet[Reservation]:
        rows = super().get_queryset()
        return rows if self.detail or "state" in self.request.query_params else rows.filter(state=Reservation.State.OPEN)
