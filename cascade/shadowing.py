"""Drafts and judges beside a served answer: a run of its own, with its own hold, after the caller has theirs."""

import logging
from collections import Counter
from datetime import datetime, timedelta
from time import perf_counter
from uuid import UUID

import msgspec

from billing.ledger import HoldRefused, HoldRequest, LedgerRewound, LedgerUnavailable, Subject
from cascade.engine.plans import CascadePlan
from cascade.holding import leg_marker, ttl_s
from cascade.observing import Progress, observe_run
from cascade.outcomes import RunOutcome, entries_of, outcome_of, policy_label, rung_of, trace_of
from cascade.runtime import Runtime, TenantRuntime
from tenants.scoping import uuid7

log = logging.getLogger(__name__)
TAG = "shadow"
"""Stands on every shadow's entries, so that a budget of this tag limits what trying out may cost."""
MOST_AT_ONCE, MOST_OF_A_TENANT = 32, 8
"""Shadows under way in one process. What comes beyond is not made: it is a sample, and must not pile up behind a slow provider."""
LONGEST_S = 60.0
_under_way: Counter[UUID] = Counter()
"""By tenant: one whose provider is slow leaves room for the others."""


def start_shadow(runtime: Runtime, tenant: TenantRuntime, served: RunOutcome, *, subject: Subject, has_bound: bool, now: datetime) -> None:
    """Have the shadow of a served run's plan made in the background, if it may be. Never raises and never waits."""
    shadow = served.result.plan.shadow
    if shadow is None or served.result.degraded or not has_bound or not _has_room(subject.tenant_id) or not _may_cost(shadow, tenant):
        return
    _under_way[subject.tenant_id] += 1
    later = now + timedelta(milliseconds=served.latency_ms)
    task = runtime.start(_make(runtime, tenant, shadow, served=served.run_id, subject=_subject(subject), now=later))
    task.add_done_callback(lambda _: _under_way.subtract([subject.tenant_id]))


def _has_room(tenant_id: UUID) -> bool:
    return _under_way[tenant_id] < MOST_OF_A_TENANT and _under_way.total() < MOST_AT_ONCE


async def _make(runtime: Runtime, tenant: TenantRuntime, plan: CascadePlan, *, served: UUID, subject: Subject, now: datetime) -> None:
    try:
        await _draft_and_judge(runtime, tenant, plan, served=served, subject=subject, now=now)
    except (HoldRefused, LedgerUnavailable, LedgerRewound) as refused:
        log.info("a shadow of %s was not made: %s", plan.policy_version, type(refused).__name__)
    except Exception as unforeseen:  # nobody waits for it: what it held, the sweep closes
        log.error("a shadow of %s failed: %s", plan.policy_version, type(unforeseen).__name__)


def _may_cost(plan: CascadePlan, tenant: TenantRuntime) -> bool:
    """What a call or its tier allows for one run holds for this one too; what has no price or is set aside is not tried out."""
    policy = tenant.config.agent.router.policy_for(plan.tier)
    limits = [limit for limit in (plan.request.max_cost_nusd, policy.max_cost_nusd) if limit is not None]
    return not (plan.unpriced_models or plan.quarantined_models) and all(plan.max_cost_nusd <= limit for limit in limits)


def _subject(subject: Subject) -> Subject:
    """Trying out is the tenant's own expense: no end user's budget or tier pays for it."""
    return msgspec.structs.replace(subject, end_user_id=None, end_user_name=None, tier=None, tags=(*(t for t in subject.tags if t != TAG), TAG))


async def _draft_and_judge(
    runtime: Runtime, tenant: TenantRuntime, plan: CascadePlan, *, served: UUID, subject: Subject, now: datetime
) -> None:
    progress = Progress(began=perf_counter(), started_at=now)
    hold = await runtime.ledger.reserve(
        HoldRequest(
            id=uuid7(), subject=subject, rungs=[rung_of(plan)], domain=plan.domain.domain, preset=policy_label(plan),
            ttl_s=ttl_s(LONGEST_S),
        )
    )
    progress.hold_ms = progress.so_far_ms
    result = await tenant.agent.execute(plan, before_leg=leg_marker(runtime, hold), deadline_s=LONGEST_S)
    entries = entries_of(result)
    outcome = outcome_of(
        result, hold=hold, entries=entries, user_id=None, latency_ms=progress.so_far_ms - progress.hold_ms, first_token_ms=None, shadow_of=served
    )
    executed_ms = progress.so_far_ms
    await runtime.ledger.settle(hold, entries=entries)
    progress.settle_ms = progress.so_far_ms - executed_ms
    observe_run(runtime, tenant, outcome, entries=entries, subject=subject, progress=progress)
    runtime.record(trace_of(outcome, subject=subject, tags=subject.tags, started_at=now))
