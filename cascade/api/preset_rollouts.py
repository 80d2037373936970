"""REST for the rollout of a preset: how far it goes, and what each side of it came to."""

from datetime import timedelta
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import UsdField
from cascade.api.preset_base import PresetBase, Sent
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.models import Preset, PresetRollout
from cascade.rollouts import rollout_of, rollout_report, set_rollout

DAYS, MOST_DAYS = 7, 31


class ArmSerializer(serializers.Serializer[Any]):
    arm = serializers.CharField(help_text="cascade, baseline, or shadow: drafted and judged without being served.")
    runs = serializers.IntegerField()
    failed = serializers.IntegerField()
    cost = UsdField(source="cost_nusd", read_only=True, help_text="USD.")
    baseline_cost = UsdField(source="baseline_nusd", read_only=True, help_text="USD that the baseline would have cost for the same answers.")
    mean_latency_ms = serializers.FloatField(allow_null=True)
    judged = serializers.IntegerField(help_text="Runs whose draft was judged.")
    accepted = serializers.IntegerField(help_text="Of those, whose draft was good enough; of shadows, would have been.")
    accepted_share = serializers.FloatField(allow_null=True, help_text="accepted / judged.")
    escalation_rate = serializers.FloatField(allow_null=True, help_text="Of all runs, those whose draft was not accepted.")
    end_users = serializers.IntegerField(help_text="Those whose runs these are; a call that names none counts as one.")
    mean_score = serializers.FloatField(allow_null=True, help_text="Of the served answers, 0 to 1: how good they are held to be.")
    modelled_saving = serializers.FloatField(
        source="modelled_percent", allow_null=True, help_text="Per cent: cost beside what the baseline would have cost for the same answers."
    )


class SavingSerializer(serializers.Serializer[Any]):
    percent = serializers.FloatField(source="value", help_text="How much cheaper a run of the cascade was than one of the baseline.")
    low = serializers.FloatField(help_text="95 % confidence.")
    high = serializers.FloatField()


class QualitySerializer(serializers.Serializer[Any]):
    difference = serializers.FloatField(source="value", help_text="Mean score of the cascade's answers minus that of the baseline's, -1 to 1.")
    low = serializers.FloatField(help_text="95 % confidence.")
    high = serializers.FloatField()


class ProjectionSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField(help_text="Served by the baseline and drafted in its shadow.")
    served_cost = UsdField(source="served_nusd", read_only=True, help_text="USD.")
    cascade_cost = UsdField(source="cascade_nusd", read_only=True, help_text="USD: the shadows, and the served answers where the draft fell short.")
    saving_percentage = serializers.FloatField(allow_null=True)


class RolloutSerializer(serializers.Serializer[Any]):
    preset = serializers.CharField()
    share = serializers.IntegerField(help_text="Per cent of the end users that the cascade serves.")
    shadow = serializers.BooleanField()
    changed_at = serializers.DateTimeField(allow_null=True)
    changed_by = serializers.CharField()
    since = serializers.DateTimeField(help_text="The figures are of runs that began from here")
    until = serializers.DateTimeField(help_text="to here.")
    arms = ArmSerializer(many=True)
    measured_saving = SavingSerializer(allow_null=True, help_text="Between cascade and baseline; null with fewer than two end users on a side.")
    measured_quality = QualitySerializer(allow_null=True, help_text="Both sides judged alike; null with fewer than two end users on a side.")
    caution = serializers.CharField(help_text="Why the measured figures cannot be relied on yet; empty where they can.")
    projected_saving = ProjectionSerializer(allow_null=True, help_text="From shadows; null where there are none.")


class RolloutSent(Sent):
    share = serializers.IntegerField(required=False, min_value=0, max_value=100, help_text="Per cent of the end users that the cascade serves.")
    shadow = serializers.BooleanField(required=False, help_text="Draft and judge the others' calls as well, without serving it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError({"share": "Send `share` (0 to 100), `shadow` (true or false), or both."})
        return attrs


class RolloutActions(PresetBase):
    @extend_schema(
        methods=["get"], responses=RolloutSerializer,
        parameters=[OpenApiParameter("days", int, description=f"So many days back, 1 to {MOST_DAYS}; {DAYS} without it.")],
    )
    @extend_schema(methods=["patch"], request=RolloutSent, responses=RolloutSerializer)
    @action(detail=True, methods=["get", "patch"])
    def rollout(self, request: Request, name: str) -> Response:
        """How far the preset, built in or own, is rolled out, and what each side came to. PATCH changes it from the next call on."""
        if name not in BUILT_IN_PRESETS and not Preset.objects.filter(name=name).exists():
            raise Http404
        if request.method == "PATCH":
            said = self.sent(RolloutSent)
            row = set_rollout(preset=name, share=said.get("share"), shadow=said.get("shadow"), actor=self.actor)
        else:
            row = rollout_of(name)
        return Response(RolloutSerializer(_shown(row, days=_days(request))).data)


def _shown(row: PresetRollout, *, days: int) -> dict[str, Any]:
    until = timezone.now()
    since = until - timedelta(days=days)
    report = rollout_report(preset=row.preset, since=since, until=until)
    return {
        "preset": row.preset, "share": row.share, "shadow": row.shadow, "changed_at": row.changed_at, "changed_by": row.changed_by,
        "since": since, "until": until, "arms": report.arms, "measured_saving": report.measured, "measured_quality": report.quality,
        "caution": report.caution, "projected_saving": report.projected,
    }  # fmt: skip


def _days(request: Request) -> int:
    try:
        return int(serializers.IntegerField(min_value=1, max_value=MOST_DAYS).run_validation(request.query_params.get("days", DAYS)))
    except serializers.ValidationError as wrong:
        raise serializers.ValidationError({"days": f"A whole number of days, 1 to {MOST_DAYS}."}) from wrong
