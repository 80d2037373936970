"""REST for alert channels: where alerts go, tried out, with secrets that are shown once, and how each delivery went."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.alerting.channels import change_channel, create_channel, delete_channel, let_go, replay, roll_channel, shown_address, try_channel
from billing.alerting.outbox import FAILING_AFTER
from billing.api.alerts import DeliverySerializer
from billing.models import AlertChannel, AlertDelivery, AlertMessage
from billing.models.alerts import CHANNEL_KINDS, MOST_RECIPIENTS
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.api.serializers import RollSerializer, SecretField
from tenants.authentication import caller_of
from tenants.permissions import MANAGEMENT
from tenants.scoping import tenant_scope
from tenants.services import OVERLAPS
from tenants.signing import checked_secret


class AlertChannelSerializer(TenantModelSerializer[AlertChannel]):
    name = serializers.CharField(max_length=64)
    kind = serializers.ChoiceField(choices=CHANNEL_KINDS)
    recipients = serializers.ListField(
        child=serializers.EmailField(), max_length=MOST_RECIPIENTS, required=False, help_text="Of an email channel: who gets the mails."
    )
    address = SecretField(
        write_only=True, required=False, max_length=1000,
        help_text="URL of the webhook, of Slack's incoming webhook or of a Teams workflow; integration key of PagerDuty. Never shown again.",
    )
    address_shown = serializers.SerializerMethodField(help_text="Enough of the address to know it by.")
    secret = SecretField(
        write_only=True, required=False, max_length=128, help_text="Of a webhook: your own signing secret (whsec_…). Left out: one is made."
    )
    state = serializers.SerializerMethodField(
        help_text="untried, working, retrying (the last message did not arrive), failing (none has for an hour) or off."
    )

    class Meta:
        model = AlertChannel
        fields = [
            "id", "name", "kind", "recipients", "address", "address_shown", "secret", "old_secret_until", "is_active", "state", "off_because",
            "failing_since", "last_problem", "last_delivered_at", "created_at",
        ]  # fmt: skip
        read_only_fields = ["old_secret_until", "off_because", "failing_since", "last_problem", "last_delivered_at"]
        create_only = ["kind", "secret"]

    def validate_secret(self, secret: Any) -> str:
        return checked_secret(secret.reveal())

    def get_address_shown(self, channel: AlertChannel) -> str:
        return shown_address(channel)

    def get_state(self, channel: AlertChannel) -> str:
        if not channel.is_active:
            return "off"
        if channel.failing_since is None:
            return "working" if channel.last_delivered_at else "untried"
        return "failing" if timezone.now() - channel.failing_since >= FAILING_AFTER else "retrying"

    def update(self, instance: AlertChannel, validated_data: dict[str, Any]) -> AlertChannel:
        return change_channel(channel=instance, changes=validated_data)


class NewChannelSerializer(AlertChannelSerializer):
    """A channel in the one answer that shows its secret."""

    secret = serializers.CharField(  # type: ignore[assignment]
        read_only=True, allow_null=True, help_text="The signing secret of a webhook. It is shown this once and cannot be read again."
    )


class TestSerializer(serializers.Serializer[Any]):
    """What came back to a test."""

    is_ok = serializers.BooleanField()
    status_code = serializers.IntegerField(allow_null=True, help_text="null where no answer came, and for mails.")
    milliseconds = serializers.IntegerField()
    problem = serializers.CharField(allow_blank=True, help_text="What was wrong, in words.")
    excerpt = serializers.CharField(allow_blank=True, help_text="The beginning of the answer.")


class MessageSerializer(TenantModelSerializer[AlertMessage]):
    message_id = serializers.CharField(source="webhook_id", read_only=True, help_text="What receivers know it by (webhook-id).")

    class Meta:
        model = AlertMessage
        fields = ["id", "message_id", "event", "state", "attempts", "alert_ids", "created_at", "due_at", "sent_at"]
        read_only_fields = fields


class ReplaySerializer(serializers.Serializer[Any]):
    message = serializers.UUIDField(help_text="Id of a message of this channel, as messages/ and deliveries/ show it.")


class AlertChannelViewSet(TenantModelViewSet[AlertChannel]):
    """Where alerts go: email, Slack, Teams, PagerDuty, and webhooks signed as standardwebhooks.com has it."""

    required_scopes = MANAGEMENT
    serializer_class = AlertChannelSerializer
    page_ordering: str | tuple[str, ...] = "name"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action == "test":
            APIView.initial(self, request, *args, **kwargs)  # no transaction stays open while the address answers
        else:
            super().initial(request, *args, **kwargs)

    @extend_schema(responses={201: NewChannelSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = dict(wanted.validated_data)
        return self._with_secret(*create_channel(secret=given.pop("secret", None), values=given))

    def perform_destroy(self, instance: AlertChannel) -> None:
        delete_channel(instance)

    @extend_schema(request=RollSerializer, responses={201: NewChannelSerializer})
    @action(detail=True, methods=["post"])
    def roll(self, request: Request, pk: str) -> Response:
        """Make a new signing secret of a webhook. For the overlap both sign, so that no message fails your check meanwhile."""
        wanted = RollSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        overlap: timedelta = OVERLAPS[wanted.validated_data["overlap"]]
        return self._with_secret(*roll_channel(channel=self.get_object(), overlap=overlap, now=timezone.now()))

    @extend_schema(request=None, responses=TestSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a test message now, and tell what came back. PagerDuty opens an incident for it."""
        tenant_id = caller_of(request).tenant_id
        with tenant_scope(tenant_id):
            channel = self.get_object()
        outcome = try_channel(channel_id=channel.pk, tenant_id=tenant_id, clock=timezone.now, let_go=let_go)
        return Response(TestSerializer(outcome).data)

    @extend_schema(responses=DeliverySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, pk: str) -> Response:
        """How each try went, newest first."""
        rows: Any = AlertDelivery.objects.filter(channel=self.get_object()).select_related("channel", "message")
        self.page_ordering = ("-at", "-id")
        return self.get_paginated_response(DeliverySerializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(responses=MessageSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def messages(self, request: Request, pk: str) -> Response:
        """What was sent, waits (`due_at` is the next try) or was given up, newest first."""
        rows: Any = AlertMessage.objects.filter(channel=self.get_object())
        self.page_ordering = ("-created_at", "-id")
        return self.get_paginated_response(MessageSerializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(request=ReplaySerializer, responses=MessageSerializer)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Send a message again, under the same id, though it arrived or was given up."""
        channel = self.get_object()
        wanted = ReplaySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(MessageSerializer(replay(channel=channel, message_id=wanted.validated_data["message"], now=timezone.now())).data)

    def _with_secret(self, channel: AlertChannel, secret: str | None) -> Response:
        return Response({**AlertChannelSerializer(channel, context=self.get_serializer_context()).data, "secret": secret}, status=201)
