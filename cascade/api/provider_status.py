"""How a provider connection is doing: the answers of a check and of a look at its health, as JSON."""

from typing import Any

from rest_framework import serializers


class ConnectionCheckSerializer(serializers.Serializer[Any]):
    """What one tiny call found. null: it is not known."""

    connection = serializers.CharField()
    provider = serializers.CharField()
    ok = serializers.BooleanField()
    model = serializers.CharField(allow_null=True, help_text="The model that was asked.")
    reachable = serializers.BooleanField(allow_null=True)
    key_accepted = serializers.BooleanField(allow_null=True)
    model_known = serializers.BooleanField(allow_null=True)
    reports_usage = serializers.BooleanField(allow_null=True)
    latency_ms = serializers.FloatField(allow_null=True)
    cost = serializers.CharField(help_text="USD that was booked for the answer.")
    run_id = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True, help_text="As errors of calls have it; not_set_up where there is no model to ask.")
    problem = serializers.CharField(allow_null=True)
    advice = serializers.CharField(allow_null=True, help_text="What to do.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="Models of the connection that retire soon, or did.")


class HealthQuerySerializer(serializers.Serializer[Any]):
    minutes = serializers.IntegerField(required=False, default=15, min_value=1, max_value=1440, help_text="How far to look back.")


class ProviderHealthSerializer(serializers.Serializer[Any]):
    """How calls went, counted from what was booked: true for all processes together."""

    connection = serializers.CharField()
    minutes = serializers.IntegerField()
    state = serializers.CharField(help_text="idle, healthy, degraded (from 10 % failures on) or failing (from 50 %).")
    failure_share = serializers.FloatField(
        allow_null=True, help_text="0 to 1. Refused requests and calls that were not made, since it was left alone, are not counted."
    )
    calls = serializers.IntegerField(help_text="Each try of a run is one.")
    answered = serializers.IntegerField()
    unbilled = serializers.IntegerField(help_text="Failed or refused, and booked at nothing.")
    uncertain = serializers.IntegerField(help_text="Failed after they were sent: booked at their bound.")
    last_answered_at = serializers.DateTimeField(allow_null=True)
    last_failed_at = serializers.DateTimeField(allow_null=True)
    error_codes = serializers.DictField(child=serializers.IntegerField(), help_text="How often each error code came, from the traces.")
