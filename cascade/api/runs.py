"""POST /api/v1/runs: the native form of a call, with the plan's own names. It takes the one road, like every other."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from django.db import connection
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.engine.money import InvalidAmount, to_nusd
from billing.ledger import CallKey
from cascade.api.run_history import RunHistoryViewSet
from cascade.api.steps import StepSerializer
from cascade.engine.plans import CascadeRequest
from cascade.idempotency import HEADER, REPLAYED, Reply, call_key, keep_reply, known_reply, may_repeat
from cascade.limits import limit_headers
from cascade.outcomes import RunOutcome, extension_of, warning_headers
from cascade.runtime import borrowed
from cascade.services import RunRequest, run_cascade
from cascade.telemetry.context import trace_context
from tenants.authentication import Caller, caller_of
from tenants.models import Scope

MOST_MESSAGES, MOST_TAGS, LONGEST_QUERY = 1000, 10, 400_000


class RunSerializer(serializers.Serializer[Any]):
    """What may be said of a run."""

    query = serializers.CharField(required=False, max_length=LONGEST_QUERY, trim_whitespace=False, help_text="The question; or send `messages`.")
    messages = serializers.ListField(
        child=serializers.DictField(), required=False, min_length=1, max_length=MOST_MESSAGES, help_text="A conversation in OpenAI's form."
    )
    user_id = serializers.CharField(required=False, max_length=255, help_text="Your own name for the end user.")
    user_tier = serializers.CharField(required=False, max_length=64)
    domain = serializers.CharField(required=False, max_length=64, help_text="Overrides detection.")
    preset = serializers.CharField(required=False, max_length=200, default="auto", help_text='A preset, "auto", or one model by name.')
    max_cost = serializers.CharField(required=False, max_length=24, help_text="USD: the most that this run may hold.")
    max_tokens = serializers.IntegerField(required=False, min_value=1, max_value=10_000_000)
    temperature = serializers.FloatField(required=False, min_value=0, max_value=2)
    response_format = serializers.DictField(required=False)
    tools = serializers.ListField(child=serializers.DictField(), required=False, max_length=128)
    tags = serializers.ListField(child=serializers.CharField(max_length=100), required=False, max_length=MOST_TAGS)

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else ()
        if unknown:
            known = f"There is no such field. You can set: {', '.join(self.fields)}."
            raise serializers.ValidationError({str(name)[:100]: known for name in unknown})
        return super().to_internal_value(data)

    def validate_max_cost(self, text: str) -> int:
        try:
            amount = to_nusd(text)
        except InvalidAmount as wrong:
            raise serializers.ValidationError(f"{wrong}.") from wrong
        if amount < 0:
            raise serializers.ValidationError("This must not be negative.")
        return amount

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("query" in attrs) == ("messages" in attrs):
            raise serializers.ValidationError({"query": "Send either `query` or `messages`."})
        for number, message in enumerate(attrs.get("messages", ())):
            if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str | list | None):
                raise serializers.ValidationError({"messages": f"Message {number} needs a `role` and a `content` of text or parts."})
        return attrs


class RunResultSerializer(serializers.Serializer[Any]):
    """What came of it: `text` and everything that the `cascadeflow` object of /v1/chat/completions says."""

    text = serializers.CharField()
    message = serializers.DictField(help_text="The whole assistant message, with tool calls.")
    finish_reason = serializers.CharField()
    run_id = serializers.UUIDField()
    model_used = serializers.CharField()
    total_cost = serializers.CharField(help_text="USD.")
    savings_percentage = serializers.FloatField(allow_null=True)
    latency_ms = serializers.FloatField()
    user_id = serializers.CharField(allow_null=True)
    user_tier = serializers.CharField()
    domain_detected = serializers.CharField()
    domain_confidence = serializers.FloatField()
    domain_explanation = serializers.DictField(help_text="overridden, the words and shapes that matched, runner_up and its confidence.")
    complexity = serializers.CharField()
    steps_executed = StepSerializer(many=True)
    draft_accepted = serializers.BooleanField(allow_null=True)
    budget_remaining = serializers.CharField(allow_null=True, help_text="USD left in the tightest budget.")
    budget_warnings = serializers.ListField(child=serializers.CharField())
    cost_breakdown = serializers.DictField()
    quality_metrics = serializers.DictField(allow_null=True)
    preset = serializers.CharField(allow_null=True)
    policy_version = serializers.CharField()
    arm = serializers.CharField(allow_null=True, help_text="cascade or baseline (see the preset's rollout); null for one model by name.")
    degraded = serializers.CharField(allow_null=True, help_text="Why it was less than the best path; null for the best.")
    rung = serializers.CharField(help_text="best, cheaper_path, shorter_answers, draft_only or short_draft.")
    steps_skipped = serializers.ListField(child=serializers.CharField(), help_text="What was left out of the path, and why.")
    unpriced_models = serializers.ListField(child=serializers.CharField(), help_text="Models on the path without a price: booked at 0.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="Models on the path that retire soon, and what to use instead.")


class RunViewSet(RunHistoryViewSet):
    """Make a run, or look at those that were made."""

    required_scopes = {"read": Scope.READ, "write": Scope.INVOKE}
    http_method_names = ["get", "post", "head"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "POST":
            APIView.initial(self, request, *args, **kwargs)  # no transaction stays open while a provider answers
        else:
            super().initial(request, *args, **kwargs)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._key: CallKey | None = None
        self._failure: Exception | None = None

    @extend_schema(
        request=RunSerializer, responses={200: RunResultSerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", str, OpenApiParameter.HEADER,
                description="Send a call again under the same key (within 24 hours) to get the reply of the first one, never a second call.",
            )
        ],
    )
    def create(self, request: Request) -> Response:
        key = call_key(
            request.headers.get(HEADER), endpoint="runs", body=request._request.body,
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        known = async_to_sync(_known)(caller_of(request), key) if key else None
        if known is not None:
            headers = {**known.headers, REPLAYED: "true"}
            return Response(msgspec.json.decode(known.body), status=known.status, headers=headers, content_type=headers.pop("content-type"))
        self._key = key
        wanted = RunSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        asked = _run_request(wanted.validated_data, trace=trace_context(request.headers))
        if not connection.in_atomic_block:
            connection.close()  # it would stay open, one a thread, for as long as the provider takes
        outcome = async_to_sync(_answer)(caller_of(request), msgspec.structs.replace(asked, key=key))
        answer = outcome.completion
        body = {"text": answer.text, "message": dict(answer.message), "finish_reason": answer.finish_reason, **extension_of(outcome)}
        headers = {"x-cascadeflow-run-id": str(outcome.run_id), **warning_headers(outcome.result.plan), **limit_headers(outcome.limits)}
        return Response(body, headers=headers)

    def handle_exception(self, exc: Exception) -> Response:
        self._failure = exc
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if self._key is not None:
            headers = {name.lower(): value for name, value in final.headers.items()}
            headers["content-type"] = final.content_type or "application/json"
            reply = Reply(status=final.status_code, headers=headers, body=JSONRenderer().render(final.data))
            async_to_sync(_keep)(caller_of(request), self._key, reply, may_repeat=self._failure is not None and may_repeat(self._failure))
        return final


async def _known(caller: Caller, key: CallKey) -> Reply | None:
    async with borrowed() as runtime:
        return await known_reply(runtime, caller, key)


async def _keep(caller: Caller, key: CallKey, reply: Reply, *, may_repeat: bool) -> None:
    async with borrowed() as runtime:
        await keep_reply(runtime, caller, key, reply, may_repeat=may_repeat)


async def _answer(caller: Caller, request: RunRequest) -> RunOutcome:
    async with borrowed() as runtime:
        # Django cancels a view whose caller goes away.
        outcome = await runtime.see_through(run_cascade(runtime=runtime, caller=caller, request=request, now=timezone.now()))
        if outcome.recorded is not None:
            await asyncio.wait([outcome.recorded])  # whoever made a run may look at it at once
        return outcome


def _run_request(said: Mapping[str, Any], *, trace: Mapping[str, str]) -> RunRequest:
    messages = said.get("messages") or [{"role": "user", "content": said["query"]}]
    return RunRequest(
        cascade=CascadeRequest(
            messages=messages, model=said["preset"], max_tokens=said.get("max_tokens"), domain=said.get("domain"), tier=said.get("user_tier"),
            max_cost_nusd=said.get("max_cost"),
            parameters={name: said[name] for name in ("temperature", "response_format", "tools") if name in said},
        ),
        user_id=said.get("user_id"), tags=tuple(dict.fromkeys(said.get("tags", ()))), trace=trace,
    )
