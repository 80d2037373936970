"""REST for alerts: what was found, in words and in figures, and who sees to it."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing.alerting.channels import deliveries_of
from billing.alerting.raising import acknowledge, resolve
from billing.alerting.rendering import names_of
from billing.api.fields import UsdField
from billing.engine.alerts.paths import path_of
from billing.engine.alerts.texts import Told, text_of
from billing.engine.alerts.wire import in_usd
from billing.engine.alerts.words import AlertText, Names
from billing.models import Alert, AlertDelivery
from billing.models.alerts import KINDS, SEVERITIES
from tenants.api.base import ScopedViewMixin, TenantModelSerializer
from tenants.api.filtering import StrictFilters
from tenants.authentication import caller_of
from tenants.models import Tenant
from tenants.permissions import MANAGEMENT
from tenants.services import actor_of_key


class FactSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()


class AlertSerializer(TenantModelSerializer[Alert]):
    """An alert. `title`, `facts` and `advice` are what messages say, in the tenant's time zone; `details` is the same for machines."""

    title = serializers.SerializerMethodField(help_text="What, and how much.")
    facts = serializers.SerializerMethodField()
    advice = serializers.SerializerMethodField(help_text="What to do; may be empty.")
    url = serializers.SerializerMethodField(help_text="Where in the console.")
    amount = UsdField(source="amount_nusd", read_only=True, help_text="USD that it is about; null where it is about no money.")
    details = serializers.SerializerMethodField(help_text="The facts of its kind: amounts in USD, times in UTC, ids.")

    class Meta:
        model = Alert
        fields = [
            "id", "kind", "severity", "state", "title", "facts", "advice", "url", "amount", "budget", "scope", "end_user_id", "details",
            "raised_at", "ends_at", "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", "note",
        ]  # fmt: skip
        read_only_fields = fields

    def get_title(self, alert: Alert) -> str:
        return self._text(alert).title

    @extend_schema_field(FactSerializer(many=True))
    def get_facts(self, alert: Alert) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in self._text(alert).facts]

    def get_advice(self, alert: Alert) -> str:
        return self._text(alert).advice

    def get_url(self, alert: Alert) -> str:
        return str(settings.SITE_URL) + path_of(alert.event, tenant=self._names.tenant)

    def get_details(self, alert: Alert) -> dict[str, Any]:
        return details_of(alert)

    def _text(self, alert: Alert) -> AlertText:
        return text_of(Told(id=alert.pk, event=alert.event, raised_at=alert.raised_at, resolved_at=alert.resolved_at), self._names)

    @property
    def _names(self) -> Names:
        names: Names = self.context["names"]
        return names


def details_of(alert: Alert) -> dict[str, Any]:
    """Return the facts of an alert's kind as JSON has them outside: amounts in USD."""
    return in_usd({name: value for name, value in alert.facts.items() if name != "kind"})


class NoteSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=500, help_text="Kept with the alert.")


class DeliverySerializer(TenantModelSerializer[AlertDelivery]):
    channel_name = serializers.CharField(source="channel.name", read_only=True)
    event = serializers.CharField(source="message.event", read_only=True, help_text="alert.raised, alert.ended, alert.digest or alert.test.")
    message_id = serializers.CharField(source="message.webhook_id", read_only=True, help_text="What receivers know it by (webhook-id).")

    class Meta:
        model = AlertDelivery
        fields = ["id", "at", "channel", "channel_name", "message", "message_id", "event", "attempt", "is_ok", "status_code", "milliseconds",
                  "problem", "excerpt"]  # fmt: skip
        read_only_fields = fields


class AlertFilters(filters.FilterSet):
    state = filters.MultipleChoiceFilter(choices=Alert.State.choices, help_text="May be given several times.")
    kind = filters.MultipleChoiceFilter(choices=KINDS, help_text="May be given several times.")
    severity = filters.MultipleChoiceFilter(choices=SEVERITIES, help_text="May be given several times.")
    budget = filters.UUIDFilter(field_name="budget_id")
    end_user_id = filters.UUIDFilter()
    raised_after = filters.IsoDateTimeFilter(field_name="raised_at", lookup_expr="gte", help_text="At or after this time.")
    raised_before = filters.IsoDateTimeFilter(field_name="raised_at", lookup_expr="lt", help_text="Before this time.")


class AlertViewSet(ScopedViewMixin, ListModelMixin, RetrieveModelMixin, GenericViewSet[Alert]):
    """What was found and told, newest first."""

    required_scopes = MANAGEMENT
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    filter_backends = [StrictFilters]
    page_ordering: tuple[str, ...] = ("-raised_at", "-id")

    def get_queryset(self) -> QuerySet[Alert]:
        return Alert.objects.none() if getattr(self, "swagger_fake_view", False) else Alert.objects.all()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        names = self._names(page)
        return self.get_paginated_response([self._shown(alert, names) for alert in page])

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=NoteSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Say that somebody sees to it. Again changes nothing."""
        return self._answer(acknowledge(alert=self.get_object(), by=self._who(), note=_note(request), now=timezone.now()))

    @extend_schema(request=NoteSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """Say that it is over. Again changes nothing."""
        return self._answer(resolve(alert=self.get_object(), by=self._who(), note=_note(request), now=timezone.now()))

    @extend_schema(responses=DeliverySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, pk: str) -> Response:
        """How the telling went, newest first."""
        rows: Any = deliveries_of(self.get_object()).filter(channel__isnull=False).select_related("channel", "message")
        self.page_ordering = ("-at", "-id")
        return self.get_paginated_response(DeliverySerializer(self.paginate_queryset(rows), many=True).data)

    def _answer(self, alert: Alert) -> Response:
        return Response(self._shown(alert, self._names([alert])))

    def _names(self, alerts: Sequence[Alert]) -> Names:
        return names_of([alert.event for alert in alerts], tenant=Tenant.objects.get(pk=caller_of(self.request).tenant_id))

    def _shown(self, alert: Alert, names: Names) -> Any:
        return AlertSerializer(alert, context={**self.get_serializer_context(), "names": names}).data

    def _who(self) -> str:
        return actor_of_key(caller_of(self.request).key_id)


def _note(request: Request) -> str:
    wanted = NoteSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    note: str = wanted.validated_data["note"]
    return note


