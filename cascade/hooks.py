"""Who is asked before a call: callables of this installation, and addresses of the tenant's own, which get the context signed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from msgspec import Struct

from billing.engine.budgets import Period
from billing.engine.callbacks import EnforcementCallbacks
from billing.engine.enforcement import CallbackFailed, EnforcementAction, EnforcementContext, EnforcementDecision
from billing.engine.money import to_usd
from billing.engine.tracking import WindowSum
from cascade.callables import callables_of, problems_of
from cascade.config import HookConfig
from cascade.engine.errors import ProviderError, ProviderTimeout, ProviderUnreachable
from cascade.engine.providers.transport import post_json
from tenants.encryption import UnreadableSecret
from tenants.webhooks import signed_headers

if TYPE_CHECKING:
    from aiohttp import ClientSession

MAX_REPLY_BYTES = 64 * 1024
EVENT = "enforcement.check"
MOST_CALLBACK_SECONDS = 10


class HookReply(Struct, frozen=True, kw_only=True):
    """What an address answers, as JSON."""

    action: EnforcementAction
    reason: str = ""
    models: list[str] | None = None


def callbacks_of_installation() -> EnforcementCallbacks:
    """Return the callables of ENFORCEMENT_CALLBACKS, which are asked about every tenant's calls. Raises ImproperlyConfigured."""
    problems = callback_problems()
    if problems:  # a rule that cannot be asked ends the start, not the first call
        raise ImproperlyConfigured(" ".join(problems))
    callbacks = EnforcementCallbacks()
    for name, callback in callables_of("ENFORCEMENT_CALLBACKS").items():
        callbacks.register(callback, name=name, timeout_s=settings.ENFORCEMENT_CALLBACK_SECONDS)
    return callbacks


def callbacks_of_tenant(hooks: Sequence[HookConfig], *, beside: EnforcementCallbacks, session: "ClientSession") -> EnforcementCallbacks:
    """Return the tenant's own addresses, beside the installation's callables."""
    callbacks = EnforcementCallbacks(beside=beside)
    for hook in hooks:
        callbacks.register(HttpHook(config=hook, session=session), name=hook.name, timeout_s=hook.timeout_s, tiers=hook.tiers)
    return callbacks


def callback_problems() -> list[str]:
    """Return what keeps ENFORCEMENT_CALLBACKS from being asked, in words."""
    problems = problems_of("ENFORCEMENT_CALLBACKS")
    if not 0 < settings.ENFORCEMENT_CALLBACK_SECONDS <= MOST_CALLBACK_SECONDS:
        problems.append(f"ENFORCEMENT_CALLBACK_SECONDS must be more than 0 and at most {MOST_CALLBACK_SECONDS}.")
    return problems


class HttpHook:
    """An enforcement callback over HTTP: one POST, no retry, no redirect, to addresses that the session allows."""

    def __init__(self, *, config: HookConfig, session: "ClientSession") -> None:
        self._config, self._session = config, session

    async def __call__(self, context: EnforcementContext) -> EnforcementDecision:
        """Raises CallbackFailed that says what was wrong."""
        config = self._config
        body = body_of(context)
        try:
            secrets = [secret.reveal() for secret in config.signing.at(context.asked_at)]
            headers = signed_headers(message_id=f"enf_{context.run_id}", body=body, secrets=secrets, at=context.asked_at)
            answer = await post_json(
                session=self._session, provider=config.name, url=config.url, body=body, timeout_s=config.timeout_s, max_bytes=MAX_REPLY_BYTES,
                headers={**headers, "content-type": "application/json", "user-agent": "cascadeflow"},
            )
        except (ProviderError, UnreadableSecret) as failed:
            raise CallbackFailed(_words(failed, timeout_s=config.timeout_s)) from failed
        if answer.status != 200:
            raise CallbackFailed(f"it answered with the status {answer.status} instead of 200")
        return decision_in(answer.body)


def _words(failed: ProviderError | UnreadableSecret, *, timeout_s: float) -> str:
    if isinstance(failed, UnreadableSecret):
        return "its signing secret cannot be read: roll it, or put the key it was written with back into CREDENTIAL_KEYS"
    if isinstance(failed, ProviderUnreachable):
        return "it cannot be reached"
    return f"no answer within {timeout_s:g} s" if isinstance(failed, ProviderTimeout) else "it broke off before its answer was complete"


def decision_in(body: bytes) -> EnforcementDecision:
    """Return the decision that a reply holds. Raises CallbackFailed for anything else."""
    try:
        reply = msgspec.json.decode(body, type=HookReply)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise CallbackFailed(f"its answer is not {{\"action\": \"allow\" | \"warn\" | \"degrade\" | \"block\"}}: {str(wrong)[:200]}") from wrong
    return EnforcementDecision(reply.action, reply.reason, None if reply.models is None else frozenset(reply.models))


def body_of(context: EnforcementContext) -> bytes:
    """Return what is posted: money in USD as decimal text, times in UTC, and nothing of the prompt."""
    facts: dict[str, Any] = {name: getattr(context, name) for name in context.__struct_fields__ if name not in ("estimated_nusd", "windows")}
    facts |= {"estimated_cost": context.estimated_cost, "used_percent": context.used_percent, "budgets": _budgets(context.windows)}
    return msgspec.json.encode({"type": EVENT, "timestamp": context.asked_at, "data": facts})


def _budgets(windows: Sequence[WindowSum]) -> list[Mapping[str, Any]]:
    return [
        {
            "name": window.name, "scope": window.scope, "subject": window.subject, "period": window.period, "action": window.action,
            "limit": to_usd(window.limit_nusd), "spent": to_usd(window.spent_nusd), "held": to_usd(window.held_nusd),
            "resets_at": None if window.period == Period.TOTAL else window.end_at,
        }
        for window in windows
    ]  # fmt: skip
