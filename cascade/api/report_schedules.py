"""REST for files for finance that come again and again, by mail."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import ReportSchedule
from billing.models.schedules import EVERY
from cascade.api.exports import WantedSerializer
from cascade.reporting import MOST_RECIPIENTS, change_schedule, create_schedule, delete_schedule, send_now
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.authentication import caller_of
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key


class OptionsSerializer(WantedSerializer):
    """What the file holds, as of an export, without the days: those are said by the schedule."""

    first, last = None, None  # type: ignore[assignment]


@extend_schema_field(OptionsSerializer)
class OptionsField(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"what": "Say what the file holds, for example {\"what\": \"focus\"}."})
        given = OptionsSerializer(data=data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


class ReportScheduleSerializer(TenantModelSerializer[ReportSchedule]):
    wanted = OptionsField(help_text="What the file holds, as of an export, without the days.")
    every = serializers.ChoiceField(choices=EVERY, required=False, help_text="It is about the day, week (from Monday) or month that is over.")
    working_day = serializers.IntegerField(
        min_value=1, max_value=5, required=False, help_text="On which working day of the week or month it leaves; holidays are not known."
    )
    hour = serializers.IntegerField(min_value=0, max_value=23, required=False, help_text="Of your day.")
    recipients = serializers.ListField(child=serializers.EmailField(), max_length=MOST_RECIPIENTS, allow_empty=False)

    class Meta:
        model = ReportSchedule
        fields = [
            "id", "name", "wanted", "every", "working_day", "hour", "recipients", "is_active", "due_at", "first", "last", "sent_at", "failure",
            "created_by", "created_at",
        ]  # fmt: skip
        read_only_fields = ["due_at", "first", "last", "sent_at", "failure", "created_by", "created_at"]

    def create(self, validated_data: dict[str, Any]) -> ReportSchedule:
        actor = actor_of_key(caller_of(self.context["request"]).key_id)
        return create_schedule(schedule=ReportSchedule(**validated_data, created_by=actor[:200]), now=timezone.now())

    def update(self, instance: ReportSchedule, validated_data: dict[str, Any]) -> ReportSchedule:
        for name, value in validated_data.items():
            setattr(instance, name, value)
        return change_schedule(schedule=instance, now=timezone.now())


class ReportScheduleViewSet(TenantModelViewSet[ReportSchedule]):
    """Exports that are asked for when a day, a week or a month is over. Their recipients get a link to the file, by mail."""

    required_scopes = MANAGEMENT
    serializer_class = ReportScheduleSerializer
    page_ordering = ("name", "id")

    def perform_destroy(self, instance: ReportSchedule) -> None:
        delete_schedule(schedule=instance, now=timezone.now())

    @extend_schema(request=None, responses=ReportScheduleSerializer)
    @action(detail=True, methods=["post"])
    def send(self, request: Request, pk: str) -> Response:
        """Send the file of the newest period that is over, within a minute or two."""
        return Response(self.get_serializer(send_now(schedule=self.get_object(), now=timezone.now())).data)
