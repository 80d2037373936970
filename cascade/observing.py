"""What telemetry is told of a call that was answered or refused: names, counts and times out of the outcome. No text is taken along."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from uuid import UUID

from django.conf import settings
from msgspec import Struct

from billing.ledger import Entry, Subject
from cascade.engine.errors import CascadeError
from cascade.engine.plans import CascadePlan, StepOutcome
from cascade.outcomes import RunOutcome, status_of
from cascade.refusals import reply_to
from cascade.runtime import Runtime, TenantRuntime
from cascade.telemetry.facts import Facts, RefusalFacts, RunFacts, TryFacts
from tenants.authentication import Caller

__all__ = ["Progress", "observe_refusal", "observe_run"]

log = logging.getLogger(__name__)
NAME_OF_A_MODEL = re.compile(r"[\w.:/@-]{1,100}")
"""What a provider says that its model is called is the provider's text: anything else is left out."""


class Progress(Struct, kw_only=True):
    """How far a call came, and when. Times are milliseconds."""

    began: float
    """A time of time.perf_counter, as all that is measured from it."""
    started_at: datetime
    trace: Mapping[str, str] = {}
    tier: str = ""
    end_user: UUID | None = None
    hold_ms: float = 0.0
    admission_ms: float = 0.0
    """Until the money was held, and execution began."""
    settle_ms: float = 0.0

    @property
    def so_far_ms(self) -> float:
        return (perf_counter() - self.began) * 1000


def observe_run(
    runtime: Runtime, tenant: TenantRuntime, outcome: RunOutcome, *, entries: Sequence[Entry], subject: Subject, progress: Progress
) -> None:
    """Tell telemetry of a run whose cost is booked. Never waits, never raises."""
    if runtime.telemetry.is_on:
        _note(runtime, lambda: _run_facts(tenant, outcome, entries=entries, subject=subject, progress=progress))


def observe_refusal(runtime: Runtime, caller: Caller, failure: Exception, *, progress: Progress) -> None:
    """Tell telemetry of a call for which no money was held, or that failed by a mistake of ours. Never waits, never raises."""
    if runtime.telemetry.is_on:
        _note(runtime, lambda: _refusal_facts(caller, failure, progress=progress))


def _note(runtime: Runtime, facts: Callable[[], Facts]) -> None:
    try:
        runtime.telemetry.note(facts())
    except Exception as unforeseen:  # a bug of ours: the call is answered, and paid for, all the same
        log.error("telemetry could not be told of a call: %s", type(unforeseen).__name__)


def _run_facts(tenant: TenantRuntime, outcome: RunOutcome, *, entries: Sequence[Entry], subject: Subject, progress: Progress) -> RunFacts:
    result, plan = outcome.result, outcome.result.plan
    return RunFacts(
        tenant=tenant.config.slug, tier=plan.tier or "", started_ns=_ns(progress), latency_ms=outcome.latency_ms, trace=progress.trace,
        end_user=subject.end_user_id if settings.TELEMETRY_END_USERS else None, run_id=outcome.run_id, shadow_of=outcome.shadow_of,
        domain=plan.domain.domain, complexity=plan.complexity, preset=plan.preset, policy_version=plan.policy_version, arm=plan.arm,
        outcome=status_of(result), error=result.error.code if result.error else "", model_used=outcome.model_used,
        draft_accepted=result.draft_accepted, escalated=_is_escalated(plan, result.steps), cost_nusd=outcome.cost_nusd, hold_ms=progress.hold_ms,
        settle_ms=progress.settle_ms, first_token_ms=outcome.first_token_ms,
        tries=tuple(_tries(tenant, result.steps, entries, admission_ms=progress.admission_ms)),
    )


def _refusal_facts(caller: Caller, failure: Exception, *, progress: Progress) -> RefusalFacts:
    refused = failure if isinstance(failure, CascadeError) else CascadeError("")
    return RefusalFacts(
        tenant=caller.tenant_slug, tier=progress.tier, started_ns=_ns(progress), latency_ms=progress.so_far_ms, trace=progress.trace,
        end_user=progress.end_user if settings.TELEMETRY_END_USERS else None, reason=refused.code,
        status=reply_to(refused, budget_status=caller.budget_refusal_status).status,
    )


def _is_escalated(plan: CascadePlan, steps: Sequence[StepOutcome]) -> bool:
    return any(step.kind == "answer" and step.leg not in plan.draft_legs for step in steps)


def _tries(tenant: TenantRuntime, steps: Sequence[StepOutcome], entries: Sequence[Entry], *, admission_ms: float) -> Iterator[TryFacts]:
    kinds = {connection.name: connection.provider for connection in tenant.config.connections}
    costs: dict[tuple[int, int], int] = {}
    for entry in entries:
        costs[entry.leg, entry.attempt] = costs.get((entry.leg, entry.attempt), 0) + entry.amount
    for step in steps:
        for number, attempt in enumerate(step.attempts, 1):
            usage, judged, model = attempt.usage, step.validation if number == len(step.attempts) else None, attempt.model
            said = attempt.response_model
            yield TryFacts(
                step=step.name, kind=step.kind, provider=model.provider, provider_kind=kinds.get(model.provider, ""), model=model.name,
                request_model=model.upstream_name, response_model=said if isinstance(said, str) and NAME_OF_A_MODEL.fullmatch(said) else "",
                outcome=attempt.error_code or "answered", status=step.status if number == len(step.attempts) else "failed",
                booked=attempt.charge, started_ms=admission_ms + attempt.started_ms, latency_ms=attempt.latency_ms,
                cost_nusd=costs.get((step.leg, number), 0), input_tokens=usage.input_tokens if usage else 0,
                cached_input_tokens=usage.cached_input_tokens if usage else 0, output_tokens=usage.output_tokens if usage else 0,
                reasoning_tokens=usage.reasoning_tokens if usage else 0, score=round(judged.score, 4) if judged else None,
                threshold=judged.threshold if judged else None,
            )


def _ns(progress: Progress) -> int:
    return int(progress.started_at.timestamp() * 1_000_000) * 1000
