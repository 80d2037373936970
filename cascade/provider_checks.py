"""Does a connection work? One tiny call by the one road, held and booked like any other, and what to do when the answer is no."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct

from billing.engine.money import to_usd
from cascade.engine.errors import (
    CascadeError,
    CircuitOpen,
    InvalidRequest,
    NotSetUp,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from cascade.engine.plans import CascadeRequest
from cascade.engine.values import ModelConfig
from cascade.outcomes import RunOutcome
from cascade.refusals import away_as_503
from cascade.runtime import Runtime, TenantRuntime
from cascade.services import RunRequest, run_cascade
from tenants.authentication import Caller

TAG = "provider-check"
QUESTION = "Reply with the word ok."
MOST_TOKENS = 16
LONGEST_CHECK_S = 45.0
"""A local model may have to be loaded first."""
ADVICE: Sequence[tuple[type[ProviderError], str, dict[str, Any], str]] = (
    (NotSetUp, "", {}, "Set the connection up as the problem says: PATCH /api/v1/providers/{id}/."),
    (CircuitOpen, "", {}, "It failed too often just now, so this process leaves it alone. Check again in a minute."),
    (ProviderUnreachable, "", {"reachable": False},
     "Check the base_url, and that this machine may reach it. A private address must be in ALLOW_PRIVATE_ENDPOINTS."),
    (ProviderRefused, "key", {"reachable": True, "key_accepted": False}, "Make a new key at the provider and set it as the credential."),
    (ProviderRefused, "account", {"reachable": True, "key_accepted": True}, "The account there has no money or no quota left: top it up."),
    (ProviderRefused, "model", {"reachable": True, "key_accepted": True, "model_known": False},
     "Correct the model's upstream_name; where that is right, the base_url."),
    (ProviderRateLimited, "", {"reachable": True, "key_accepted": True}, "It works, but not so often: wait, or have its limits raised there."),
    (ProviderFailed, "", {"reachable": True}, "The provider is failing: look at its status page, and check again later."),
    (ProviderTimeout, "", {"reachable": True}, "It took the call and did not answer in time: look at its load, and check again."),
    (ProviderBroken, "", {"reachable": True}, "Something answers there that is not this API: check the base_url and the kind of provider."),
)  # fmt: skip
NOT_ASKED = "Nothing was asked of the provider: see the problem."


class ConnectionCheck(Struct, frozen=True, kw_only=True):
    """What a check found. None: it is not known. Nothing of a credential is in it."""

    connection: str
    provider: str
    ok: bool = False
    model: str | None = None
    """The model that was asked, by the tenant's name."""
    reachable: bool | None = None
    key_accepted: bool | None = None
    model_known: bool | None = None
    reports_usage: bool | None = None
    latency_ms: float | None = None
    cost: str = "0"
    """USD that was booked for an answer."""
    run_id: str | None = None
    code: str | None = None
    problem: str | None = None
    advice: str | None = None
    warnings: tuple[str, ...] = ()
    """Models of the connection that retire soon, or did, and what to use instead."""


async def check_connection(*, runtime: Runtime, caller: Caller, connection: str, provider: str, now: datetime) -> ConnectionCheck:
    """Ask the draft model of a connection, or its cheapest one, for a word, and return what that says.

    Costs a few tokens, under the tag `provider-check`; the tenant's budgets hold. No tier's policy binds: it is the operator who asks.
    """
    tenant = await away_as_503(runtime.tenant(caller, now=now))
    notices = (model.retirement_notice for model in tenant.config.agent.models.values() if model.provider == connection)
    found = ConnectionCheck(connection=connection, provider=provider, warnings=tuple(filter(None, notices)))
    model = _model_of(tenant, connection)
    if isinstance(model, str):
        return msgspec.structs.replace(found, code="not_set_up", problem="There is no model to ask.", advice=model)
    found = msgspec.structs.replace(found, model=model.name)
    request = RunRequest(
        cascade=CascadeRequest(messages=[{"role": "user", "content": QUESTION}], model=model.name, max_tokens=MOST_TOKENS), tags=(TAG,)
    )
    nobody = msgspec.structs.replace(caller, default_tier="")
    began = perf_counter()
    run = runtime.start(run_cascade(runtime=runtime, caller=nobody, request=request, now=now))
    await asyncio.wait({run}, timeout=LONGEST_CHECK_S)
    took = {"latency_ms": round((perf_counter() - began) * 1000, 1)}
    if not run.done():
        said = f"No answer within {LONGEST_CHECK_S:g} seconds. The call goes on and is booked."
        return msgspec.structs.replace(found, code="provider_timeout", problem=said, advice=_advice_of(ProviderTimeout)[1], **took)
    failure = run.exception()
    if failure is None:
        return _works(found, run.result())
    if isinstance(failure, CascadeError):
        return msgspec.structs.replace(_fails(found, failure), **took)
    raise failure


def _model_of(tenant: TenantRuntime, connection: str) -> ModelConfig | str:
    """Return the model to ask, or what to do so that there is one."""
    agent = tenant.config.agent
    if connection not in tenant.providers:
        return "The connection is switched off: set is_active."
    models = [model for model in agent.models.values() if model.provider == connection and model.name != "auto"]
    if not models:
        return "Add a model that is reached by this connection: POST /api/v1/models/."
    current = [model for model in models if not (model.retired_on and model.retired_on <= agent.today)]
    if not current:
        return "All models of this connection were retired: add a current one."
    priced = [model for model in current if model.price is not None]
    if not priced:
        return f"Give {current[0].name!r} a price (POST /api/v1/prices/, or manage.py import_prices): a check costs money, and is booked."
    return min(priced, key=lambda model: (model.name != agent.parts.get("draft"), model.price.output_nusd if model.price else 0))


def _works(found: ConnectionCheck, outcome: RunOutcome) -> ConnectionCheck:
    attempt = outcome.result.steps[-1].attempts[-1]
    reports_usage = attempt.charge == "settled"
    advice = None if reports_usage else "It works, but reports no token counts: its calls are booked at our own upper count."
    return msgspec.structs.replace(
        found, ok=True, reachable=True, key_accepted=True, model_known=True, reports_usage=reports_usage, advice=advice,
        latency_ms=round(attempt.latency_ms, 1), cost=to_usd(outcome.cost_nusd), run_id=str(outcome.run_id),
    )


def _fails(found: ConnectionCheck, failure: CascadeError) -> ConnectionCheck:
    run_id = str(failure.run_id) if failure.run_id else None
    told = msgspec.structs.replace(found, code=failure.code, problem=failure.message, run_id=run_id)
    if isinstance(failure, InvalidRequest) and failure.run_id:  # the provider's own refusal of what was asked
        advice = "The provider refused even so small a request: its words say why. A model may want another cap_parameter."
        return msgspec.structs.replace(told, reachable=True, key_accepted=True, advice=advice)
    if not isinstance(failure, ProviderError):
        return msgspec.structs.replace(told, advice=NOT_ASKED)
    facts, advice = _advice_of(type(failure), about=getattr(failure, "about", ""))
    return msgspec.structs.replace(told, advice=advice, **facts)


def _advice_of(kind: type[ProviderError], *, about: str = "") -> tuple[dict[str, Any], str]:
    for meant, meant_about, facts, advice in ADVICE:
        if issubclass(kind, meant) and meant_about in ("", about):
            return facts, advice
    return {"reachable": True}, "The provider refused the call: its words say why."
