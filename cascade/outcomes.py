"""What a finished run means: the entries to be booked, the trace to be kept, and what the caller is told."""

from asyncio import Future
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from billing.engine.money import to_usd
from billing.engine.pricing import Usage, cost_nusd
from billing.engine.savings import NOTHING, Discounts, all_discounts, discounts
from billing.ledger import Entry, Hold, Leg, RateStanding, Rung, Subject, WindowFacts
from cascade.engine.plans import Attempt, CascadePlan, CascadeResult, PlannedStep, StepOutcome
from cascade.engine.values import Completion, DomainMatch
from tenants.end_users import NEVER_STORED

LONGEST_STEP, LONGEST_PRESET, LONGEST_POLICY, LONGEST_REQUEST_ID = 64, 200, 100, 200
"""As the columns have it: one text too long, and the ledger would refuse to book the call."""
LONGEST_WARNING = 1_000
"""Of a header: proxies drop what is too long."""


class RunOutcome(Struct, frozen=True, kw_only=True):
    """One answered call: the engine's result with the money beside it (nano-USD)."""

    run_id: UUID
    result: CascadeResult
    user_id: str | None
    cost_nusd: int
    baseline_nusd: int | None
    saved_by: Discounts
    """What of baseline minus cost is due to caching and to own prices; the rest is due to the path that was taken."""
    cost_by_step: Mapping[int, int]
    steps: Sequence[Mapping[str, Any]]
    """What the trace and the reply say of each step."""
    remaining_nusd: int | None
    warnings: Sequence[WindowFacts]
    notices: Sequence[str] = ()
    """What the operator's callbacks warn of, in words."""
    limits: Sequence[RateStanding] = ()
    """How the caller's rate limits stand."""
    latency_ms: float
    first_token_ms: float | None = None
    shadow_of: UUID | None = None
    """The served run beside which this was made, of a shadow."""
    recorded: Future[Any] | None = None
    """Done when the run's trace can be read."""

    @property
    def completion(self) -> Completion:
        assert self.result.completion is not None
        return self.result.completion

    @property
    def model_used(self) -> str:
        return self.result.served_by.name if self.result.served_by else ""


def rung_of(plan: CascadePlan) -> Rung:
    """Return what the ledger must hold for the plan: one leg a step."""
    return Rung(legs=[_leg(step) for step in plan.steps])


def storable(text: str) -> str:
    """Providers and checking models write what they like; the database takes neither NUL nor half a character."""
    return NEVER_STORED.sub(" ", text)


def policy_label(plan: CascadePlan) -> str:
    """Return the policy version as entries are filed under it. What is too long loses its beginning: the version is at the end."""
    return plan.policy_version[-LONGEST_PRESET:]


def _leg(step: PlannedStep) -> Leg:
    model = step.model
    return Leg(
        step=step.name[:LONGEST_STEP], provider=model.provider, model=model.name, price_version=model.price.version if model.price else "",
        amount=step.bound_nusd,
    )


def entries_of(result: CascadeResult) -> list[Entry]:
    """Return the cost entries of a run: one an attempt, the part beyond a leg's bound as an overrun of its own."""
    entries: list[Entry] = []
    for outcome in result.steps:
        bound = result.plan.steps[outcome.leg].bound_nusd
        for number, attempt in enumerate(outcome.attempts, 1):
            amount = _amount(attempt, bound_nusd=bound)
            entries.append(_entry(outcome, attempt, number=number, amount=min(amount, bound)))
            if amount > bound:
                entries.append(msgspec.structs.replace(entries[-1], kind="overrun", amount=amount - bound))
    return entries or [_nothing_sent(result.plan)]


def cost_of_step(step: StepOutcome, *, plan: CascadePlan) -> int:
    """Return what a step is booked with once its run is settled, in nano-USD: all its attempts, also what lies beyond its bound."""
    bound = plan.steps[step.leg].bound_nusd
    return sum(_amount(attempt, bound_nusd=bound) for attempt in step.attempts)


def _amount(attempt: Attempt, *, bound_nusd: int) -> int:
    if attempt.charge == "voided":
        return 0
    if attempt.charge == "assumed":
        return bound_nusd
    if attempt.usage is None or attempt.model.price is None:
        return 0
    amount = cost_nusd(usage=attempt.usage, price=attempt.model.price)
    return min(amount, bound_nusd) if attempt.charge == "estimated" else amount


def _entry(outcome: StepOutcome, attempt: Attempt, *, number: int, amount: int) -> Entry:
    usage = attempt.usage or Usage(input_tokens=0, output_tokens=0)
    return Entry(
        leg=outcome.leg, attempt=number, kind=attempt.charge, amount=amount, step=outcome.name[:LONGEST_STEP], provider=attempt.model.provider,
        model=attempt.model.name, price_version=attempt.model.price.version if attempt.model.price else "",
        outcome=outcome.status if attempt is outcome.attempts[-1] else "failed", input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens, cache_write_tokens=usage.cache_write_tokens, output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens, is_unverified=attempt.unverified,
        provider_request_id=storable(attempt.provider_request_id or "")[:LONGEST_REQUEST_ID],
    )


def _nothing_sent(plan: CascadePlan) -> Entry:
    leg = _leg(plan.steps[0])
    return Entry(leg=0, kind="voided", amount=0, step=leg.step, provider=leg.provider, model=leg.model, outcome="not sent")


def outcome_of(
    result: CascadeResult, *, hold: Hold, entries: Sequence[Entry], user_id: str | None, latency_ms: float, first_token_ms: float | None,
    notices: Sequence[str] = (), shadow_of: UUID | None = None,
) -> RunOutcome:
    """Return the money side of a result. The baseline is what the tenant's baseline model costs for the served answer's tokens."""
    by_step: dict[int, int] = {}
    for entry in entries:
        by_step[entry.leg] = by_step.get(entry.leg, 0) + entry.amount
    return RunOutcome(
        run_id=hold.id, result=result, user_id=user_id, cost_nusd=sum(by_step.values()), baseline_nusd=_baseline(result), saved_by=_saved_by(result),
        cost_by_step=by_step,
        steps=[_step_facts(step, cost_nusd=by_step.get(step.leg, 0)) for step in result.steps],
        remaining_nusd=hold.remaining_nusd, warnings=hold.warnings, notices=notices, limits=hold.rates, latency_ms=latency_ms,
        first_token_ms=first_token_ms, shadow_of=shadow_of,
    )


def _baseline(result: CascadeResult) -> int | None:
    baseline, usage = result.plan.baseline, _served_usage(result)
    if baseline is None or baseline.price is None or usage is None:
        return None
    return cost_nusd(usage=usage, price=baseline.price)


def _saved_by(result: CascadeResult) -> Discounts:
    """Return by how much more the calls of the run were discounted than the baseline's would have been: it could have cached, too."""
    baseline, usage = result.plan.baseline, _served_usage(result)
    if baseline is None or baseline.price is None or usage is None:
        return NOTHING
    ours = all_discounts(
        discounts(usage=attempt.usage, price=attempt.model.price, listed=attempt.model.list_price)
        for step in result.steps for attempt in step.attempts
        if attempt.usage is not None and attempt.model.price is not None and attempt.charge in ("settled", "estimated")
    )  # fmt: skip
    return ours - discounts(usage=usage, price=baseline.price, listed=baseline.list_price)


def _served_usage(result: CascadeResult) -> Usage | None:
    served = next((step for step in result.steps if step.leg == result.served_leg), None)
    return served.attempts[-1].usage if served is not None else None


def status_of(result: CascadeResult) -> str:
    """Return what became of a run, in one word."""
    if result.plan.arm == "shadow":
        return "shadow"
    return "failed" if result.error else "degraded" if result.degraded else "served"


def trace_of(
    outcome: RunOutcome, *, subject: Subject, tags: Sequence[str], started_at: datetime, is_trial: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Return the run's trace as cascade_record_runs takes it: scores, counts and times, never text.

    A trial is compared with nothing: nobody needed its answer, so no saving may be claimed for it and no rollout measured by it.
    """
    result, plan = outcome.result, outcome.result.plan
    baseline, saved_by = (None, NOTHING) if is_trial else (outcome.baseline_nusd, outcome.saved_by)
    return {
        "id": outcome.run_id, "tenant_id": subject.tenant_id, "status": status_of(result), "end_user_id": subject.end_user_id,
        "api_key_id": subject.api_key_id, "tier": plan.tier or "",
        "preset": plan.preset, "policy_version": plan.policy_version[-LONGEST_POLICY:], "arm": "" if is_trial else plan.arm,
        "shadow_of": outcome.shadow_of, "domain": plan.domain.domain, "domain_evidence": plan.domain.evidence,
        "domain_confidence": plan.domain.confidence, "complexity": plan.complexity, "model_used": outcome.model_used,
        "draft_accepted": result.draft_accepted, "score": None if result.score is None else round(result.score, 4), "cost_nusd": outcome.cost_nusd,
        "baseline_nusd": baseline,
        "baseline_model": plan.baseline.name if plan.baseline is not None and baseline is not None else "",
        "saved_by_cache_nusd": saved_by.cache_nusd, "saved_by_price_nusd": saved_by.price_nusd,
        "latency_ms": outcome.latency_ms, "first_token_ms": outcome.first_token_ms,
        "steps": outcome.steps, "error_code": result.error.code if result.error else "", "tags": tags,
        "started_at": started_at,
    }


def warning_headers(plan: CascadePlan) -> dict[str, str]:
    """Return the header that tells those who look at nothing else what they should soon change."""
    return {"x-cascadeflow-warning": " ".join(plan.warnings)[:LONGEST_WARNING]} if plan.warnings else {}


def extension_of(outcome: RunOutcome) -> dict[str, Any]:
    """Return the `cascadeflow` object of a reply: what was done, what it cost, how good it is held to be. Money in USD strings."""
    result, plan = outcome.result, outcome.result.plan
    # Nothing is saved by a model that merely has no price.
    saved = None if outcome.baseline_nusd is None or plan.unpriced_models else outcome.baseline_nusd - outcome.cost_nusd
    return {
        "run_id": str(outcome.run_id),
        "model_used": outcome.model_used,
        "total_cost": to_usd(outcome.cost_nusd),
        "savings_percentage": round(100 * saved / outcome.baseline_nusd, 2) if saved is not None and outcome.baseline_nusd else None,
        "latency_ms": round(outcome.latency_ms, 2),
        "user_id": outcome.user_id,
        "user_tier": plan.tier,
        "domain_detected": plan.domain.domain,
        "domain_confidence": round(plan.domain.confidence, 4),
        "domain_explanation": _explanation(plan.domain),
        "complexity": plan.complexity,
        "steps_executed": outcome.steps,
        "draft_accepted": result.draft_accepted,
        "budget_remaining": None if outcome.remaining_nusd is None else to_usd(_remaining(outcome)),
        "budget_warnings": [*outcome.notices, *(_warning(facts) for facts in outcome.warnings)],
        "cost_breakdown": _breakdown(outcome, saved),
        "quality_metrics": _quality(result),
        "preset": plan.preset or None,
        "policy_version": plan.policy_version,
        "arm": plan.arm or None,
        "degraded": result.degraded,
        "rung": plan.rung,
        "steps_skipped": list(plan.skipped),
        "unpriced_models": list(plan.unpriced_models),
        "warnings": list(plan.warnings),
    }


def _explanation(domain: DomainMatch) -> dict[str, Any]:
    """Tell the caller what decided. The words are the prompt's own, so they go into the reply and nowhere else."""
    return {
        "overridden": domain.overridden, "matched": list(domain.matched), "runner_up": domain.runner_up,
        "runner_up_confidence": round(domain.runner_up_confidence, 4),
    }  # fmt: skip


def _remaining(outcome: RunOutcome) -> int:
    """The hold took the worst case; what was not spent of it is free again."""
    return (outcome.remaining_nusd or 0) + outcome.result.plan.max_cost_nusd - outcome.cost_nusd


def _step_facts(step: StepOutcome, *, cost_nusd: int) -> dict[str, Any]:
    usage = step.attempts[-1].usage
    return {
        "name": step.name, "kind": step.kind, "model": step.model.name, "provider": step.model.provider, "status": step.status,
        "cost": to_usd(cost_nusd), "latency_ms": round(step.latency_ms, 2), "attempts": len(step.attempts),
        "input_tokens": usage.input_tokens if usage else None, "output_tokens": usage.output_tokens if usage else None,
        "score": round(step.validation.score, 4) if step.validation else None, "threshold": step.validation.threshold if step.validation else None,
        "reason": storable(step.reason) or None,
        "warning": step.model.retirement_notice or None,
        "tries": [_try_facts(attempt) for attempt in step.attempts],
    }


def _try_facts(attempt: Attempt) -> dict[str, Any]:
    return {
        "model": attempt.model.name, "provider": attempt.model.provider, "outcome": "failed" if attempt.error_code else "answered",
        "error_code": attempt.error_code, "booked": attempt.charge, "latency_ms": round(attempt.latency_ms, 2),
    }


def _breakdown(outcome: RunOutcome, saved: int | None) -> dict[str, Any]:
    legs, drafts = {step.leg: step.kind for step in outcome.result.steps}, outcome.result.plan.draft_legs
    cost = outcome.cost_by_step
    return {
        "draft_cost": to_usd(sum(cost.get(leg, 0) for leg in drafts)),
        "verifier_cost": to_usd(sum(cost.get(leg, 0) for leg, kind in legs.items() if kind == "answer" and leg not in drafts)),
        "validation_cost": to_usd(sum(cost.get(leg, 0) for leg, kind in legs.items() if kind == "check")),
        "baseline_cost": None if outcome.baseline_nusd is None else to_usd(outcome.baseline_nusd),
        "cost_saved": None if saved is None else to_usd(saved),
    }


def _quality(result: CascadeResult) -> dict[str, Any] | None:
    judged = [step.validation for step in result.steps if step.validation]
    if not judged:
        return None
    last = judged[-1]
    return {
        "score": round(last.score, 4), "threshold": last.threshold, "accepted": last.accepted, "reason": last.reason,
        "checks": {check.name: {"score": round(check.score, 4), "reason": check.reason or None} for check in last.checks},
    }


def _warning(facts: WindowFacts) -> str:
    spent, limit = to_usd(facts.spent_nusd + facts.held_nusd), to_usd(facts.limit_nusd)
    return f"{facts.name or f'{facts.scope} {facts.period} budget'}: {spent} of {limit} USD is spent or held; calls continue"
