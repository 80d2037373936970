"""REST for anomalies: what was found and why, and what somebody makes of it."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing.api.fields import UsdField
from billing.engine.anomalies.drivers import Driver
from billing.engine.money import to_usd
from billing.models import Anomaly
from billing.services import note_anomaly, reopen_anomaly, resolve_anomaly, snooze_anomaly
from tenants.api.base import ScopedViewMixin, TenantModelSerializer
from tenants.api.filtering import StrictFilters
from tenants.authentication import caller_of
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key

LONGEST_SNOOZE = timedelta(days=90)
LONGEST_NOTE = 500


class ContributionSerializer(serializers.Serializer[Any]):
    value = serializers.CharField(help_text="Of end users and API keys our id.")
    amount = serializers.CharField(help_text="USD of the excess.")


class ContributorsSerializer(serializers.Serializer[Any]):
    dimension = serializers.CharField()
    largest = ContributionSerializer(many=True)
    others = serializers.CharField(help_text="USD of the excess that all other values make up.")


class AnomalySerializer(TenantModelSerializer[Anomaly]):
    expected = UsdField(source="expected_nusd", read_only=True)
    low = UsdField(source="low_nusd", read_only=True, help_text="Between low and high nothing would have been out of the ordinary.")
    high = UsdField(source="high_nusd", read_only=True)
    actual = UsdField(source="actual_nusd", read_only=True)
    excess = UsdField(source="excess_nusd", read_only=True, help_text="Spent beyond what was expected; negative for a drop.")
    drivers = serializers.SerializerMethodField(help_text=f"USD of the excess by driver ({', '.join(Driver)}): they add up to it.")
    contributors = serializers.SerializerMethodField(help_text="By dimension the values that make up most of the excess.")

    class Meta:
        model = Anomaly
        fields = [
            "id", "kind", "lane", "dimension", "value", "severity", "started_at", "ended_at", "found_at", "expected", "low", "high", "actual",
            "excess", "score", "drivers", "contributors", "told_at", "state", "snoozed_until", "resolution", "resolved_at", "resolved_by", "note",
        ]  # fmt: skip
        read_only_fields = fields

    def get_drivers(self, anomaly: Anomaly) -> dict[str, str]:
        return {name: to_usd(amount) for name, amount in anomaly.drivers.items()}

    @extend_schema_field(ContributorsSerializer(many=True))
    def get_contributors(self, anomaly: Anomaly) -> list[dict[str, Any]]:
        return [
            {
                "dimension": some["dimension"], "others": to_usd(some["others_nusd"]),
                "largest": [{"value": part["value"], "amount": to_usd(part["amount_nusd"])} for part in some["largest"]],
            }
            for some in anomaly.contributors
        ]  # fmt: skip


class SnoozeSerializer(serializers.Serializer[Any]):
    hours = serializers.IntegerField(min_value=1, max_value=LONGEST_SNOOZE.days * 24)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=LONGEST_NOTE)


class ResolveSerializer(serializers.Serializer[Any]):
    resolution = serializers.ChoiceField(
        choices=[choice for choice in Anomaly.Resolution.values if choice],
        help_text="`expected`: ordinary from now on. `fixed`: no measure for others. `not_useful`: three of these make the series less sensitive.",
    )
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=LONGEST_NOTE)


class AnomalyNoteSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(allow_blank=True, max_length=LONGEST_NOTE)


class AnomalyFilters(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Anomaly.State.choices)
    kind = filters.ChoiceFilter(choices=Anomaly._meta.get_field("kind").choices)
    severity = filters.ChoiceFilter(choices=Anomaly._meta.get_field("severity").choices)
    dimension = filters.CharFilter()
    value = filters.CharFilter()
    since = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt")


class AnomalyViewSet(ScopedViewMixin, ListModelMixin, RetrieveModelMixin, GenericViewSet[Anomaly]):
    """Spend that is out of the ordinary, newest first: what was expected, what was spent, and what makes up the difference."""

    required_scopes = MANAGEMENT
    serializer_class = AnomalySerializer
    filterset_class = AnomalyFilters
    filter_backends = [StrictFilters]
    page_ordering = ("-started_at", "-id")

    def get_queryset(self) -> QuerySet[Anomaly]:
        return Anomaly.objects.none() if getattr(self, "swagger_fake_view", False) else Anomaly.objects.all()

    @extend_schema(request=SnoozeSerializer, responses=AnomalySerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: str) -> Response:
        """Be told no more of this series for some hours. It goes on being looked at."""
        anomaly = self.get_object()
        given = _given(SnoozeSerializer, request)
        until = timezone.now() + timedelta(hours=given["hours"])
        return Response(self.get_serializer(snooze_anomaly(anomaly=anomaly, until=until, note=given["note"])).data)

    @extend_schema(request=ResolveSerializer, responses=AnomalySerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """Say what it was, and why."""
        anomaly = self.get_object()
        given = _given(ResolveSerializer, request)
        done = resolve_anomaly(
            anomaly=anomaly, resolution=given["resolution"], note=given["note"], actor=actor_of_key(caller_of(request).key_id), now=timezone.now()
        )
        return Response(self.get_serializer(done).data)

    @extend_schema(request=AnomalyNoteSerializer, responses=AnomalySerializer)
    @action(detail=True, methods=["post"])
    def note(self, request: Request, pk: str) -> Response:
        """Write down what is known, and decide nothing. It takes the place of the note before it."""
        anomaly = self.get_object()
        given = _given(AnomalyNoteSerializer, request)
        return Response(self.get_serializer(note_anomaly(anomaly=anomaly, note=given["note"])).data)

    @extend_schema(request=None, responses=AnomalySerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Take back that it was snoozed or resolved."""
        return Response(self.get_serializer(reopen_anomaly(anomaly=self.get_object())).data)


def _given(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict):
        raise ValidationError({"body": "Send a JSON object."})
    wanted = serializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    given: dict[str, Any] = wanted.validated_data
    return given
