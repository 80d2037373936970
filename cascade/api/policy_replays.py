"""REST for "what if?": the past four weeks under another policy. Nothing is changed and nobody is called."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError as InvalidQuestion
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing.api.fields import UsdField
from billing.engine.budget_replay import Hit, Limit
from billing.models import Budget
from cascade.models import CascadeRun
from cascade.replaying import MOST_DAYS, TooManyRuns, replay_policy
from cascade.what_ifs import MOST_BUDGETS, limits_of, what_if_of
from tenants.api.base import ScopedViewMixin
from tenants.authentication import caller_of
from tenants.models import Scope, Tenant

MOST_HITS = 200
CHANGES = ("thresholds", "least_quality", "prices", "substitutes")


def _choices(field: str) -> Any:
    """As budgets have them."""
    return Budget._meta.get_field(field).choices  # type: ignore[union-attr]


class WhatIfPriceSerializer(serializers.Serializer[Any]):
    input = UsdField(help_text="USD per million tokens.")
    output = UsdField(help_text="USD per million tokens.")
    cached_input = UsdField(required=False, allow_null=True, help_text="USD per million tokens; as input without it.")


class WhatIfBudgetSerializer(serializers.Serializer[Any]):
    scope = serializers.ChoiceField(choices=_choices("scope"))
    subject = serializers.CharField(required=False, allow_blank=True, default="", max_length=255, help_text="As of budgets.")
    period = serializers.ChoiceField(choices=_choices("period"))
    limit = UsdField(help_text="USD.")
    action = serializers.ChoiceField(choices=_choices("action"))


class WhatIfSerializer(serializers.Serializer[Any]):
    """What is changed. Nothing said is nothing changed, and gives the past to the nano-dollar."""

    days = serializers.IntegerField(default=7, min_value=1, max_value=MOST_DAYS, help_text="So many days back from now.")
    thresholds = serializers.DictField(
        child=serializers.FloatField(min_value=0.0, max_value=1.0), required=False,
        help_text='By domain, "*" for every other: the score from which a draft is accepted.',
    )
    least_quality = serializers.DictField(
        child=serializers.FloatField(min_value=0.0, max_value=1.0), required=False, help_text="By tier: no threshold is below it."
    )
    prices = serializers.DictField(child=WhatIfPriceSerializer(), required=False, help_text="By model.")
    substitutes = serializers.DictField(
        child=serializers.CharField(max_length=200), required=False,
        help_text="By model, the one asked in its place: at its price, with the same tokens and the same scores.",
    )
    budgets = WhatIfBudgetSerializer(many=True, required=False, help_text=f"Budgets that there would have been, at most {MOST_BUDGETS}.")

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(map(str, set(data) - set(self.fields))) if isinstance(data, Mapping) else ()
        if unknown:
            raise serializers.ValidationError({unknown[0][:100]: f"There is no such field. You can set: {', '.join(self.fields)}."})
        return super().to_internal_value(data)


class SideSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField(help_text="That were not refused.")
    cost = UsdField(source="cost_nusd", read_only=True, help_text="USD.")
    judged = serializers.IntegerField(help_text="Runs whose draft was judged.")
    escalated = serializers.IntegerField(help_text="Of those, whose draft was not accepted.")
    escalation_rate = serializers.FloatField(allow_null=True)
    scored = serializers.IntegerField(help_text="Runs whose served answer has a stored score; one that never was given has none.")
    mean_score = serializers.FloatField(allow_null=True, help_text="Of those, 0 to 1: how good they are held to be.")


class HitSerializer(serializers.Serializer[Any]):
    budget = serializers.SerializerMethodField(help_text="Place of the budget in what was asked, from 0.")
    end_user_id = serializers.SerializerMethodField(help_text="Whose window it is; null for a budget that all share.")
    start_at = serializers.DateTimeField(help_text="Of the window.")
    first_at = serializers.DateTimeField(help_text="When the first call was met.")
    runs = serializers.IntegerField(help_text="Calls that were met.")
    avoided_cost = UsdField(source="avoided_nusd", read_only=True, help_text="USD that they would have cost less.")

    def get_budget(self, hit: Hit) -> int:
        limits: list[Limit] = self.context["limits"]
        return limits.index(hit.limit)

    def get_end_user_id(self, hit: Hit) -> str | None:
        return hit.subject or None


class PolicyReplaySerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    before = SideSerializer(help_text="What was.")
    after = SideSerializer(help_text="What would have been.")
    difference = UsdField(source="difference_nusd", read_only=True, help_text="USD that would have been spent more; negative for less.")
    changed = serializers.IntegerField(help_text="Runs that would have cost something else.")
    estimated = serializers.IntegerField(help_text="Of those, how many needed steps that never ran: at what such steps usually cost.")
    fixed = serializers.IntegerField(help_text="Runs with a charge that no tokens explain: other prices and models leave it as it was booked.")
    hits = HitSerializer(many=True, help_text=f"Windows that would have been used up, the first {MOST_HITS}, in the order of time.")
    hit_count = serializers.IntegerField()


class PolicyReplayViewSet(ScopedViewMixin, GenericViewSet[CascadeRun]):
    """What would the past have cost under another policy? Answered from stored scores, tokens and steps: no prompt is needed, nobody is called."""

    required_scopes = {"read": Scope.READ, "write": Scope.READ}
    serializer_class = PolicyReplaySerializer

    @extend_schema(request=WhatIfSerializer, responses=PolicyReplaySerializer)
    def create(self, request: Request) -> Response:
        """Replay the runs of the last days under a changed policy."""
        given = WhatIfSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said, until = given.validated_data, timezone.now()
        tenant = Tenant.objects.get(pk=caller_of(request).tenant_id)
        try:
            limits = limits_of(said.get("budgets", ()), tenant=tenant)
            what_if = what_if_of(**{name: said.get(name, {}) for name in CHANGES})
            found = replay_policy(what_if, limits=limits, zone=tenant.time_zone, since=until - timedelta(days=said["days"]), until=until)
        except InvalidQuestion as wrong:
            raise ValidationError(wrong.message_dict) from wrong
        except TooManyRuns as many:
            raise ValidationError({"days": str(many)}) from many
        shown = {
            **{name: getattr(found, name) for name in ("since", "until", "before", "after", "difference_nusd", "changed", "estimated", "fixed")},
            "hits": found.hits[:MOST_HITS], "hit_count": len(found.hits),
        }  # fmt: skip
        return Response(PolicyReplaySerializer(shown, context={"limits": limits}).data)
