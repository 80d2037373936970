"""On which rung of the ladder would an end user's next call stand, and why?"""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing.api.budgets import WindowSumSerializer
from billing.engine.money import to_usd
from cascade.engine.plans import CascadePlan
from cascade.route_preview import standing_of_user
from tenants.api.base import ScopedViewMixin
from tenants.models import EndUser
from tenants.permissions import MANAGEMENT

MOST_PROMPT_BYTES = 1_000_000


class StandingQuerySerializer(serializers.Serializer[Any]):
    """The call that is imagined."""

    model = serializers.CharField(required=False, default="auto", max_length=200, help_text='A preset, "auto", or one model by name.')
    max_tokens = serializers.IntegerField(required=False, min_value=1, max_value=10_000_000)
    prompt_bytes = serializers.IntegerField(required=False, default=1000, min_value=1, max_value=MOST_PROMPT_BYTES)
    domain = serializers.CharField(required=False, max_length=64)


class RungSerializer(serializers.Serializer[Any]):
    rung = serializers.CharField(help_text="best, cheaper_path, shorter_answers, draft_only or short_draft.")
    worst_cost = serializers.CharField(help_text="USD that it would hold.")
    models = serializers.ListField(child=serializers.CharField(), help_text="Asked in this order.")
    max_tokens = serializers.IntegerField(help_text="Of the longest answer.")
    why = serializers.CharField(allow_null=True)


class StandingSerializer(serializers.Serializer[Any]):
    user_id = serializers.CharField()
    tier = serializers.CharField()
    rung = serializers.CharField(allow_null=True, help_text="Where the call would stand; null when it would be refused.")
    explanation = serializers.CharField()
    rungs = RungSerializer(many=True, help_text="The whole ladder, dearest first.")
    windows = WindowSumSerializer(many=True)


class StandingViewSet(ScopedViewMixin, GenericViewSet[EndUser]):
    """A preview of what the budgets would do to an end user's next call. It holds nothing and calls nobody."""

    required_scopes = MANAGEMENT
    serializer_class = StandingSerializer

    def get_queryset(self) -> QuerySet[EndUser]:
        return EndUser.objects.none() if getattr(self, "swagger_fake_view", False) else EndUser.objects.select_related("tier")

    @extend_schema(parameters=[StandingQuerySerializer], responses=StandingSerializer, filters=False)
    @action(detail=True, methods=["get"])
    def standing(self, request: Request, pk: str) -> Response:
        """Show on which rung of the ladder the end user's next call would stand, and why."""
        user = self.get_object()
        wanted = StandingQuerySerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        found = standing_of_user(user=user, **wanted.validated_data, now=timezone.now())
        if found.refusal is not None:
            raise found.refusal
        chosen = found.route.chosen
        return Response(
            {
                "user_id": user.external_id, "tier": found.tier, "rung": chosen.rung if chosen else None, "explanation": found.explanation,
                "rungs": [_rung(plan) for plan in found.route.rungs], "windows": WindowSumSerializer(found.windows, many=True).data,
            }
        )


def _rung(plan: CascadePlan) -> dict[str, Any]:
    return {
        "rung": plan.rung, "worst_cost": to_usd(plan.max_cost_nusd), "models": [step.model.name for step in plan.steps],
        "max_tokens": max(step.max_tokens for step in plan.steps if step.kind == "answer"), "why": plan.degraded,
    }
