"""Between plan and hold: the operator's own callbacks say whether, how, and by which models a call may go on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from billing.engine.budgets import Action
from billing.engine.enforcement import Enforcement, EnforcementAction, EnforcementContext, EnforcementDecision
from billing.engine.tracking import WindowSum
from billing.ledger import Subject
from cascade.engine.errors import BlockedByCallback, EnforcementUnavailable
from cascade.engine.plans import CascadePlan
from cascade.outcomes import storable
from cascade.runtime import Runtime, TenantRuntime
from tenants.authentication import Caller

LONGEST_REASON = 300


async def enforce(
    best: CascadePlan, *, runtime: Runtime, tenant: TenantRuntime, caller: Caller, subject: Subject, run_id: UUID, now: datetime
) -> tuple[CascadePlan, Sequence[str]]:
    """Return the plan that the callbacks leave of the best one, and what they warn of, in words.

    Raises BlockedByCallback; EnforcementUnavailable where one gave no answer and a budget that blocks binds the call; ModelNotAllowed and
    CannotServe where no model is left; LedgerUnavailable.
    """
    windows = await runtime.standing(subject, now=now)
    available = tenant.agent.available_models(best.request)
    said = await tenant.callbacks.decide(_context(best, available, windows, caller=caller, subject=subject, run_id=run_id, now=now))
    _stop(said, fails_closed=any(window.action == Action.BLOCK for window in windows))
    plan = best
    if said.filters_models:
        left = frozenset(said.filter_models([*available, *_models_of(best)]))
        plan = tenant.agent.plan(msgspec.structs.replace(best.request, only_models=left))
    asked = said.saying(EnforcementAction.DEGRADE)
    notices = [_words(decision) for decision in (*said.saying(EnforcementAction.WARN), *asked)]
    notices += [f"The callback {failure.callback} has no answer ({failure.reason}); calls continue" for failure in said.failures]
    if asked:
        rungs = tenant.agent.ladder(plan, because=_words(asked[0]))
        plan = msgspec.structs.replace(rungs[1] if len(rungs) > 1 else plan, shadow=None)  # less is wanted, not more beside it
        notices += [] if len(rungs) > 1 else ["There is no cheaper way to answer"]
    return plan, notices


def _context(
    plan: CascadePlan, available: Sequence[str], windows: Sequence[WindowSum], *, caller: Caller, subject: Subject, run_id: UUID, now: datetime
) -> EnforcementContext:
    return EnforcementContext(
        run_id=run_id, asked_at=now, tenant=caller.tenant_slug, user_id=subject.end_user_name, user_tier=subject.tier or "", tags=subject.tags,
        api_key_id=caller.key_id, domain=plan.domain.domain, complexity=plan.complexity, preset=plan.preset, models=_models_of(plan),
        available_models=available, estimated_nusd=plan.max_cost_nusd + (plan.shadow.max_cost_nusd if plan.shadow else 0), windows=windows,
    )


def _models_of(plan: CascadePlan) -> tuple[str, ...]:
    """Those of its shadow too: whoever decides by the models must know all that are asked."""
    steps = [*plan.steps, *(plan.shadow.steps if plan.shadow else ())]
    return tuple(dict.fromkeys(model.name for step in steps for model in step.candidates))


def _stop(said: Enforcement, *, fails_closed: bool) -> None:
    blocked = said.saying(EnforcementAction.BLOCK)
    if blocked:
        refusal = BlockedByCallback(_words(blocked[0]) + ". Nothing was sent.")
        refusal.facts = {"callback": blocked[0].callback, "reason": _reason(blocked[0])}
        raise refusal
    if said.failures and fails_closed:
        first = said.failures[0]
        away = EnforcementUnavailable(
            f"The callback {first.callback} has no answer ({first.reason}), and a budget that blocks applies here, so the call is not let through. "
            "Try again in a few seconds; an operator can mend the callback or switch it off."
        )
        away.facts = {"callbacks": [{"callback": failure.callback, "reason": failure.reason} for failure in said.failures]}
        raise away


def _words(decision: EnforcementDecision) -> str:
    reason = _reason(decision)
    return f"The callback {decision.callback} says {decision.action}" + (f": {reason}" if reason else "")


def _reason(decision: EnforcementDecision) -> str:
    return storable(str(decision.reason))[:LONGEST_REASON].strip()
