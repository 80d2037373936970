"""REST for enforcement hooks: addresses of the tenant's own that are asked about each call before money is held for it."""

from time import perf_counter
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.engine.enforcement import CallbackFailed, EnforcementAction, EnforcementContext, EnforcementDecision
from cascade.config import HookConfig, hook_config
from cascade.engine.providers.transport import open_session
from cascade.hook_changes import change_hook, check_url, checked_tiers, create_hook
from cascade.hooks import HttpHook
from cascade.models import EnforcementHook
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.api.serializers import RollSerializer, SecretField
from tenants.authentication import Caller, caller_of
from tenants.encryption import Secret
from tenants.models import slug_rule
from tenants.permissions import MANAGEMENT
from tenants.scoping import tenant_scope, uuid7
from tenants.services import OVERLAPS
from tenants.signing import checked_secret, roll_secret


class EnforcementHookSerializer(TenantModelSerializer[EnforcementHook]):
    secret = SecretField(
        write_only=True, required=False, max_length=128, help_text="Your own signing secret (whsec_…). Left out: one is made, and shown once."
    )
    tiers = serializers.ListField(
        child=serializers.CharField(max_length=64, validators=[slug_rule]), max_length=50, required=False,
        help_text="Names of the tiers whose calls are asked about. Empty: every tier.",
    )
    timeout_ms = serializers.IntegerField(min_value=50, max_value=2000, required=False, help_text="No answer by then is a failure.")

    class Meta:
        model = EnforcementHook
        fields = ["id", "name", "url", "timeout_ms", "tiers", "is_active", "secret", "old_secret_until", "created_at"]
        read_only_fields = ["old_secret_until"]
        create_only = ["secret"]

    def validate_secret(self, secret: Secret) -> str:
        return checked_secret(secret.reveal())

    def validate_url(self, url: str) -> str:
        check_url(url)
        return url

    def validate_tiers(self, tiers: list[str]) -> list[str]:
        return checked_tiers(tiers)

    def update(self, instance: EnforcementHook, validated_data: dict[str, Any]) -> EnforcementHook:
        return change_hook(hook=instance, changes=validated_data)


class NewHookSerializer(EnforcementHookSerializer):
    """A hook in the one answer that shows its secret."""

    secret = serializers.CharField(read_only=True, help_text="The signing secret. It is shown this once and cannot be read again.")  # type: ignore[assignment]


class HookAnswerSerializer(serializers.Serializer[Any]):
    """What the address said to a question that is none: no call waits for it."""

    is_ok = serializers.BooleanField(help_text="Would this have been taken as an answer?")
    action = serializers.ChoiceField(choices=[str(action) for action in EnforcementAction], allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    models = serializers.ListField(child=serializers.CharField(), allow_null=True)
    problem = serializers.CharField(allow_null=True, help_text="What was wrong, in words.")
    latency_ms = serializers.FloatField()


class EnforcementHookViewSet(TenantModelViewSet[EnforcementHook]):
    """Addresses that say allow, warn, degrade or block to each call. What they are sent is signed as standardwebhooks.com has it."""

    required_scopes = MANAGEMENT
    serializer_class = EnforcementHookSerializer
    page_ordering = "name"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action == "test":
            APIView.initial(self, request, *args, **kwargs)  # no transaction stays open while the address answers
        else:
            super().initial(request, *args, **kwargs)

    @extend_schema(responses={201: NewHookSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = dict(wanted.validated_data)
        return _with_secret(*create_hook(secret=given.pop("secret", None), values=given))

    @extend_schema(request=RollSerializer, responses={201: NewHookSerializer})
    @action(detail=True, methods=["post"])
    def roll(self, request: Request, pk: str) -> Response:
        """Make a new signing secret. For the overlap both sign, so that no question fails your check meanwhile."""
        wanted = RollSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        overlap = OVERLAPS[wanted.validated_data["overlap"]]
        return _with_secret(*roll_secret(row=self.get_object(), overlap=overlap, now=timezone.now()))

    @extend_schema(request=None, responses=HookAnswerSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Ask the address about a call that is none (its `user_id` is "test"), and tell what it said."""
        with tenant_scope(caller_of(request).tenant_id):
            config = hook_config(self.get_object())
        if not connection.in_atomic_block:
            connection.close()  # it would stay open, one a thread, for as long as the address takes
        return Response(HookAnswerSerializer(_tried(config, _sample(caller_of(request)))).data)


def _with_secret(hook: EnforcementHook, secret: str) -> Response:
    return Response({**EnforcementHookSerializer(hook).data, "secret": secret}, status=201)


def _sample(caller: Caller) -> EnforcementContext:
    return EnforcementContext(
        run_id=uuid7(), asked_at=timezone.now(), tenant=caller.tenant_slug, user_id="test", user_tier=caller.default_tier, api_key_id=caller.key_id,
        domain="general", complexity="simple", preset="production_ready", models=[], available_models=[], estimated_nusd=1_000_000,
    )


def _tried(config: HookConfig, context: EnforcementContext) -> dict[str, Any]:
    began, decision, problem = perf_counter(), EnforcementDecision(), None
    try:
        decision = async_to_sync(_ask)(config, context)
    except CallbackFailed as failed:
        problem = str(failed)
    return {
        "is_ok": problem is None, "action": decision.action if problem is None else None, "reason": str(decision.reason),
        "models": None if decision.models is None else sorted(decision.models), "problem": problem,
        "latency_ms": round((perf_counter() - began) * 1000, 2),
    }  # fmt: skip


async def _ask(config: HookConfig, context: EnforcementContext) -> EnforcementDecision:
    async with open_session(allow_private=settings.ALLOW_PRIVATE_ENDPOINTS) as session:
        return await HttpHook(config=config, session=session)(context)
