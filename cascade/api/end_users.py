"""REST for end users: what is stored about one, and how one is erased."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.alerts import details_of
from billing.api.budgets import BudgetWindowSerializer
from billing.api.fields import UsdField
from billing.api.serializers import BudgetSerializer, CostEntrySerializer
from billing.engine.budgets import BudgetScope
from billing.erasure import forget_end_user
from billing.models import Alert, Budget, BudgetWindow, CostEntry, DayRollup, IdempotencyKey, Reservation
from cascade.api.run_history import RunTraceSerializer
from cascade.idempotency import Reply
from cascade.models import CascadeRun
from tenants.api.serializers import EndUserSerializer
from tenants.api.views import EndUserViewSet
from tenants.audit import record
from tenants.authentication import caller_of
from tenants.encryption import UnreadableSecret
from tenants.models import EndUser
from tenants.permissions import MANAGEMENT

MOST_ROWS = 10_000
"""Of entries and of runs; more are read page by page."""


class DaySpendSerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    cost = UsdField(source="cost_nusd")
    entries = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()


class KeptReplySerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField()
    key = serializers.CharField(help_text="The Idempotency-Key.")
    run_id = serializers.UUIDField(source="reservation_id")
    status = serializers.IntegerField(allow_null=True)
    reply = serializers.CharField(allow_null=True, help_text="Its body as it was sent; null where there is none.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="When it is forgotten.")


class AlertAboutSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    raised_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    details = serializers.SerializerMethodField(help_text="As /api/v1/alerts/ has them.")

    def get_details(self, alert: Alert) -> dict[str, Any]:
        return details_of(alert)


class EndUserDataSerializer(serializers.Serializer[Any]):
    """Everything that is stored about one end user. Prompts and answers are not, but for replies kept under an Idempotency-Key."""

    end_user = EndUserSerializer()
    budgets = BudgetSerializer(many=True, help_text="Set for this end user alone.")
    windows = BudgetWindowSerializer(many=True, help_text="What they spent in each window of the budgets that bind them.")
    days = DaySpendSerializer(many=True)
    cost_entries = CostEntrySerializer(many=True, help_text="Newest first.")
    runs = RunTraceSerializer(many=True, help_text="Newest first.")
    alerts = AlertAboutSerializer(many=True, help_text="About their budgets and their spend. Newest first.")
    kept_replies = KeptReplySerializer(many=True, help_text="For 24 hours at the most.")
    is_complete = serializers.BooleanField(
        help_text=f"False where there are more than {MOST_ROWS:,} entries or runs: GET /api/v1/cost-entries/ and /api/v1/runs/ have them all."
    )


class EndUserDataViewSet(EndUserViewSet):
    """The tenant's customers, found, moved to a tier, blocked and erased. They come into being with their first call, or by name at `lookup/`."""

    required_scopes = MANAGEMENT
    http_method_names = ["get", "patch", "delete", "head"]

    @extend_schema(
        description="Erase who the end user is (GDPR article 17). What they spent stays booked under an id that says nothing, and the budgets "
        "that bind them go on to do so, also when they come back under the same name. This cannot be undone."
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        forget_end_user(external_id=self.get_object().external_id, actor=f"API key {caller_of(request).key_id}", now=timezone.now())
        return Response(status=204)

    @extend_schema(responses=EndUserDataSerializer, filters=False)
    @action(detail=True, methods=["get"])
    def data(self, request: Request, pk: str) -> Response:
        """Everything that is stored about the end user (GDPR articles 15 and 20)."""
        user = self.get_object()
        record(action="read", object_type="end_user", object_id=user.pk)
        return Response(stored_about(user), headers={"content-disposition": data_file_of(user)})


def stored_about(user: EndUser) -> Mapping[str, Any]:
    """Return everything that is stored about an end user, ready to be rendered. At most MOST_ROWS of entries, runs and alerts."""
    data: Mapping[str, Any] = EndUserDataSerializer(_stored_about(user)).data
    return data


def data_file_of(user: EndUser) -> str:
    """Return the header that makes the answer a file, named without the person's name."""
    return f'attachment; filename="end-user-{user.pk}.json"'


def _stored_about(user: EndUser) -> dict[str, Any]:
    entries = CostEntry.objects.filter(end_user_id=user.pk).order_by("-booked_at", "-id")
    runs = CascadeRun.objects.filter(end_user_id=user.pk).order_by("-started_at", "-id")
    shown_entries, shown_runs = list(entries[: MOST_ROWS + 1]), list(runs[: MOST_ROWS + 1])
    keys = IdempotencyKey.objects.filter(reservation_id__in=Reservation.objects.filter(end_user_id=user.pk).values("id"))
    return {
        "end_user": user,
        "budgets": Budget.objects.filter(scope=BudgetScope.END_USER, subject__in=[user.external_id, str(user.pk)]),
        "windows": BudgetWindow.objects.filter(subject=str(user.pk)).order_by("-start_at", "-id"),
        "days": DayRollup.objects.filter(dimension=DayRollup.Dimension.END_USER, value=str(user.pk)).order_by("-day"),
        "cost_entries": shown_entries[:MOST_ROWS], "runs": shown_runs[:MOST_ROWS], "kept_replies": _kept(keys),
        "alerts": Alert.objects.filter(end_user_id=user.pk).order_by("-raised_at", "-id")[:MOST_ROWS],
        "is_complete": len(shown_entries) <= MOST_ROWS and len(shown_runs) <= MOST_ROWS,
    }


def _kept(keys: Iterable[IdempotencyKey]) -> list[dict[str, Any]]:
    fields = ("endpoint", "key", "reservation_id", "status", "created_at", "expires_at")
    return [{**{field: getattr(key, field) for field in fields}, "reply": _body(key)} for key in keys]


def _body(key: IdempotencyKey) -> str | None:
    try:
        kept = key.reply.reveal()
    except UnreadableSecret:
        return None
    return msgspec.json.decode(kept, type=Reply).body.decode() if kept else None
