"""How a step of a run, and each of its tries, is described in the API's document."""

from typing import Any

from rest_framework import serializers


class TrySerializer(serializers.Serializer[Any]):
    """One call to a provider, made or not."""

    model = serializers.CharField()
    provider = serializers.CharField(help_text="Your name of the connection.")
    outcome = serializers.CharField(help_text="answered or failed.")
    error_code = serializers.CharField(
        allow_null=True,
        help_text="provider_unreachable, circuit_open (it failed too often just now and was left alone), deadline_passed, provider_refused, "
        "provider_rate_limited, provider_failed, provider_timeout or provider_bad_answer.",
    )
    booked = serializers.CharField(help_text="settled, estimated, assumed (it may have been billed) or voided (it was not).")
    latency_ms = serializers.FloatField()


class StepSerializer(serializers.Serializer[Any]):
    """One step that was carried out."""

    name = serializers.CharField()
    kind = serializers.CharField(help_text="answer or check.")
    model = serializers.CharField(help_text="The one that was asked last.")
    provider = serializers.CharField()
    status = serializers.CharField(help_text="accepted, rejected or failed.")
    cost = serializers.CharField(help_text="USD, all tries together.")
    latency_ms = serializers.FloatField(help_text="All tries and the pauses between them.")
    attempts = serializers.IntegerField()
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    score = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    warning = serializers.CharField(allow_null=True, help_text="That its model retires soon.")
    tries = TrySerializer(many=True, help_text="Each try in its order.")
