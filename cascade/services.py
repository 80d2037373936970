"""The one road: every call, whichever API it came through, is answered by `run_cascade`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from uuid import UUID

import msgspec
from msgspec import Struct

from billing.ledger import CallKey, Hold, HoldRefused, HoldRequest, KeyTaken, LedgerRewound, RateLimited, Subject, TooManyOpen
from cascade.alarms import note_refused
from cascade.enforcement import enforce
from cascade.engine.errors import CascadeError, DemoCallsNobody, InvalidRequest, KeyInUse, ModelNotAllowed, SpendForgotten
from cascade.engine.execution import OnStep, Sink
from cascade.engine.planning import unbounded_content
from cascade.engine.plans import CascadePlan, CascadeRequest, CascadeResult
from cascade.holding import leg_marker, ttl_s
from cascade.limits import rates_of, tokens_of
from cascade.observing import Progress, observe_refusal, observe_run
from cascade.outcomes import RunOutcome, entries_of, outcome_of, policy_label, rung_of, trace_of
from cascade.refusals import away_as_503, limit_refusal_of, new_end_user_refusal, refusal_of
from cascade.runtime import Runtime, TenantRuntime
from cascade.shadowing import start_shadow
from tenants.authentication import Caller
from tenants.end_users import NEVER_STORED
from tenants.scoping import uuid7

LONGEST_WAIT_S = 2.0
FIRST_WAIT_S = 0.02
LONGEST_RUN_S = 600.0
HOLDS_SHOWN = 20
"""How many of the calls that hold a budget's money a refusal names; GET /api/v1/holds/ has all."""


class RunRequest(Struct, frozen=True, kw_only=True):
    """One call as an API understood it."""

    cascade: CascadeRequest
    user_id: str | None = None
    """The tenant's own name for the end user."""
    tags: Sequence[str] = ()
    unpriced_fields: Sequence[str] = ()
    """Fields of the request whose cost has no bound."""
    is_trial: bool = False
    """Does somebody only try something out? Then it is booked like any call, and compared with nothing."""
    key: CallKey | None = None
    trace: Mapping[str, str] = {}
    """The W3C headers of the trace that the call belongs to."""


class Admission(Struct, frozen=True, kw_only=True):
    """The money is held; this is what will be done with it."""

    run_id: UUID
    plan: CascadePlan
    hold: Hold


Admitted = Callable[[Admission], Awaitable[None]]


async def run_cascade(
    *, runtime: Runtime, caller: Caller, request: RunRequest, now: datetime, sink: Sink | None = None, on_admitted: Admitted | None = None,
    on_step: OnStep | None = None,
) -> RunOutcome:  # fmt: skip
    """Answer one call: plan, ask the operator's callbacks where there are any, hold, execute, settle, in this order.

    Returns the outcome once its cost is durably booked. Raises a CascadeError whose message tells the caller what to do; its cost, if
    any, is booked by then too. `on_admitted` is called once the money is held, `sink` takes the chunks of an answer streamed live,
    `on_step` each step as it ends.
    Where a server cancels what it no longer waits for, wrap it in `runtime.see_through`: what money is held for must be booked.
    """
    progress = Progress(began=perf_counter(), started_at=now, trace=request.trace)
    try:
        return await _run(runtime=runtime, caller=caller, request=request, now=now, sink=sink, on_admitted=on_admitted, on_step=on_step,
                          progress=progress)  # fmt: skip
    except Exception as failure:
        if not isinstance(failure, CascadeError) or failure.run_id is None:
            observe_refusal(runtime, caller, failure, progress=progress)
        raise


async def _run(
    *, runtime: Runtime, caller: Caller, request: RunRequest, now: datetime, sink: Sink | None, on_admitted: Admitted | None, on_step: OnStep | None,
    progress: Progress,
) -> RunOutcome:  # fmt: skip
    if caller.is_demo:
        raise DemoCallsNobody("This is a demo: all of its numbers are made up, so nothing is called in it. Use a key of an organisation of your own.")
    _check_texts(request)
    tenant = await away_as_503(runtime.tenant(caller, now=now))
    subject, tier = await _subject(runtime, tenant, caller, request)
    progress.tier, progress.end_user = tier, subject.end_user_id
    user = str(subject.end_user_id) if subject.end_user_id else None
    lot, run_id = (user or uuid7().hex) if tenant.config.agent.rollouts else "", uuid7()
    best = tenant.agent.plan(msgspec.structs.replace(request.cascade, tier=tier, user=user, lot=lot))
    notices: Sequence[str] = ()
    if tenant.callbacks.concern(tier):
        best, notices = await away_as_503(
            enforce(best, runtime=runtime, tenant=tenant, caller=caller, subject=subject, run_id=run_id, now=now)
        )
    best = tenant.agent.affordable(best)
    asked_at = perf_counter()
    hold, plan = await _hold(runtime, best, run_id=run_id, tenant=tenant, caller=caller, subject=subject, request=request, now=now)
    progress.hold_ms = (perf_counter() - asked_at) * 1000
    if on_admitted is not None:
        await on_admitted(Admission(run_id=hold.id, plan=plan, hold=hold))
    progress.admission_ms = progress.so_far_ms
    result = await tenant.agent.execute(plan, before_leg=leg_marker(runtime, hold), sink=sink, deadline_s=LONGEST_RUN_S, on_step=on_step)
    first_token_ms = _first_token_ms(result, progress) if sink is not None else None
    outcome = await _book(
        runtime, tenant, result, hold=hold, notices=notices, subject=subject, request=request, progress=progress, first_token_ms=first_token_ms
    )
    if plan.shadow is not None and not request.is_trial:
        start_shadow(runtime, tenant, outcome, subject=subject, has_bound=not _without_bound(plan.shadow, request), now=now)
    return outcome


async def _book(
    runtime: Runtime, tenant: TenantRuntime, result: CascadeResult, *, hold: Hold, notices: Sequence[str], subject: Subject, request: RunRequest,
    progress: Progress, first_token_ms: float | None,
) -> RunOutcome:
    """Book what the run cost and keep its trace. Raises the run's own error, if it has one, afterwards."""
    entries = entries_of(result)
    outcome = outcome_of(
        result, hold=hold, notices=notices, entries=entries, user_id=request.user_id, latency_ms=progress.so_far_ms,
        first_token_ms=first_token_ms,
    )
    await away_as_503(runtime.ledger.settle(hold, entries=entries))
    progress.settle_ms = progress.so_far_ms - outcome.latency_ms
    trace = trace_of(outcome, subject=subject, tags=request.tags, started_at=progress.started_at, is_trial=request.is_trial)
    recorded = runtime.record(trace)
    observe_run(runtime, tenant, outcome, entries=entries, subject=subject, progress=progress)
    if result.error is not None:
        await asyncio.wait([recorded])  # the error names the run, so its trace is there to be looked at
        result.error.run_id, result.error.limits = hold.id, hold.rates
        result.error.was_free = all(entry.kind == "voided" for entry in entries)
        raise result.error
    return msgspec.structs.replace(outcome, recorded=recorded)


def _first_token_ms(result: CascadeResult, progress: Progress) -> float | None:
    """Return when the reader of a stream could have its first token. What is judged is streamed once it is whole: with its last."""
    live_ms = next((step.first_token_ms for step in result.steps if step.first_token_ms is not None), None)
    if live_ms is not None:
        return progress.admission_ms + live_ms
    return None if result.error else progress.so_far_ms


def _check_texts(request: RunRequest) -> None:
    """Raises InvalidRequest for names that no row can hold."""
    for param, texts in (("user", (request.user_id or "",)), ("tags", request.tags)):
        if any(NEVER_STORED.search(text) for text in texts):
            raise InvalidRequest(f"The field {param!r} holds a control character. Send printable text.", param=param)


async def _subject(runtime: Runtime, tenant: TenantRuntime, caller: Caller, request: RunRequest) -> tuple[Subject, str]:
    """Who spends, and in which tier: the one the call says, else the one known of the end user, else the tenant's default.

    What a call says is remembered of the end user, but for a trial: it moves nobody to another tier.
    """
    said = request.cascade.tier
    if said is not None and said not in tenant.config.tiers:
        raise InvalidRequest(f"No tier is called {said[:64]!r}. Tiers: {', '.join(sorted(tenant.config.tiers)) or 'none yet'}.", param="user_tier")
    identity, tier = None, said
    if request.user_id:
        seen = await away_as_503(runtime.see_end_user(caller, external_id=request.user_id, tier=None if request.is_trial else said))
        if seen.wait_s:
            raise new_end_user_refusal(request.user_id, wait_s=seen.wait_s)
        if seen.is_blocked:
            blocked = ModelNotAllowed(f"The end user {request.user_id[:64]!r} is blocked. An operator can lift it in the console.", param="user")
            blocked.code = "end_user_blocked"
            raise blocked
        identity, tier = seen.id, said or seen.tier
    tier = tier or caller.default_tier
    subject = Subject(
        tenant_id=caller.tenant_id, time_zone=caller.time_zone, api_key_id=caller.key_id, end_user_id=identity, end_user_name=request.user_id,
        tier=tier, tags=tuple(request.tags),
    )
    return subject, tier


async def _hold(
    runtime: Runtime, best: CascadePlan, *, run_id: UUID, tenant: TenantRuntime, caller: Caller, subject: Subject, request: RunRequest, now: datetime
) -> tuple[Hold, CascadePlan]:
    """Hold the money for the best plan, or, where a budget degrades, for the first cheaper rung that fits.

    Waits a little where calls in flight hold what is missing. The cheaper rungs are worked out only when the best plan does not fit.
    """
    unpriced, rates = _without_bound(best, request), rates_of(caller, config=tenant.config, subject=subject)
    plans: Sequence[CascadePlan] = (best,)
    asked = HoldRequest(
        id=run_id, subject=subject, rungs=[rung_of(best)], domain=best.domain.domain, preset=policy_label(best),
        ttl_s=ttl_s(LONGEST_RUN_S), unpriced=bool(unpriced), key=request.key,
        rates=rates, tokens=tokens_of(best) if rates else 0, most_open=caller.open_calls_per_end_user,
    )
    waited, pause = 0.0, FIRST_WAIT_S
    while True:
        try:
            hold = await away_as_503(runtime.ledger.reserve(asked))
            return hold, plans[hold.rung]
        except HoldRefused as refused:
            if len(plans) == 1 and refused.may_degrade:
                plans = tenant.agent.ladder(best)
                if len(plans) > 1:
                    asked = msgspec.structs.replace(asked, rungs=[rung_of(plan) for plan in plans])
                    continue
            if not refused.only_held or waited >= LONGEST_WAIT_S:
                if refused.unpriced:
                    note_refused(runtime, tenant, tenant_id=caller.tenant_id, models=best.unpriced_models, now=now)
                holding = [facts.window for facts in refused.windows if facts.held_nusd]
                holds = await runtime.open_holds(subject.tenant_id, holding, limit=HOLDS_SHOWN) if holding else ()
                raise refusal_of(refused, now=now, unpriced=unpriced, holds=holds) from refused
        except (RateLimited, TooManyOpen) as limited:
            raise limit_refusal_of(limited) from limited
        except LedgerRewound as rewound:
            raise SpendForgotten(
                "The ledger was restored from a backup and may have forgotten spend, so budgets that block let no call through until an operator "
                "has looked and run 'manage.py resume_ledger'."
            ) from rewound
        except KeyTaken as taken:
            raise KeyInUse("Another call under this Idempotency-Key came first. Try again in a second: its reply will be given then.") from taken
        await asyncio.sleep(pause)
        waited, pause = waited + pause, min(pause * 2, 0.25)


def _without_bound(plan: CascadePlan, request: RunRequest) -> list[str]:
    """Return what of the call has no bound that can be trusted, in words: no budget that degrades or blocks bears it."""
    set_aside = (f"the model {name!r}, set aside since it billed more than its bound" for name in plan.quarantined_models)
    kinds = (f"content of the type '{kind}'" for kind in unbounded_content(plan.request.messages))
    return [*plan.unpriced_models, *set_aside, *request.unpriced_fields, *kinds]
