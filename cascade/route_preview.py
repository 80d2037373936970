"""Which way a call would take, before anybody makes it: the planning of the one road itself, which here holds nothing and calls nobody."""

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from msgspec import Struct

from billing import reports
from billing.engine.tracking import WindowSum, choose_rung
from cascade import config
from cascade.engine.agent import CascadeAgent
from cascade.engine.errors import CascadeError
from cascade.engine.planning import inability
from cascade.engine.plans import CascadePlan, CascadeRequest, PlannedStep
from cascade.engine.presets import AgentConfig
from cascade.engine.quality.thresholds import default_threshold
from cascade.engine.values import Complexity, ModelConfig
from tenants.models import EndUser, Tenant

BLOCKED = "The end user is blocked, so every call is refused. An operator can lift it."
COMPLEXITIES: tuple[Complexity, ...] = get_args(Complexity)


class RouteStanding(Struct, frozen=True, kw_only=True):
    """The ladder of a plan, and where on it the budgets of a call let it stand."""

    rungs: Sequence[CascadePlan]
    chosen: CascadePlan | None
    """None where the call would be refused."""
    unbounded: Sequence[str] = ()
    """Models whose cost has no bound that a budget can trust."""

    @property
    def explanation(self) -> str:
        if self.unbounded:
            return f"A budget that degrades or blocks applies, and the cost of {', '.join(self.unbounded)} has no bound that can be trusted: refused."
        if self.chosen is None:
            return "No budget can bear even the cheapest way that it allows: the call would be refused. `windows` has the arithmetic."
        return self.chosen.degraded or "Every budget bears the best path."


class UserStanding(Struct, frozen=True, kw_only=True):
    """Where an end user's next call would stand, and the budget windows that say so."""

    tier: str
    """The user's own, else the tenant's default."""
    windows: Sequence[WindowSum]
    explanation: str
    route: RouteStanding
    refusal: CascadeError | None = None
    """Why there is no way at all, whatever the budgets say: then no rung is on the `route`."""


class ModelForTier(Struct, frozen=True, kw_only=True):
    """One model of the tenant, and why a tier may not use it; an empty `why_not` is that it may."""

    model: ModelConfig
    why_not: str


class RouteStep(Struct, frozen=True, kw_only=True):
    """A step of the way. `needs` is the score from 0 to 1 that its answer must have; None where nobody judges it."""

    step: PlannedStep
    needs: float | None


class RoutePreview(Struct, frozen=True, kw_only=True):
    """What would become of a call of a tier. `problem` says why it would be refused, where it would."""

    models: Sequence[ModelForTier]
    steps: Sequence[RouteStep] = ()
    plan: CascadePlan | None = None
    explanation: str = ""
    problem: str = ""


def standing_of(best: CascadePlan, *, agent: CascadeAgent, windows: Sequence[WindowSum]) -> RouteStanding:
    """Return where a plan stands under the windows that would bind its call: the rule by which the ledger admits."""
    rungs = agent.ladder(best)
    found = choose_rung([plan.max_cost_nusd for plan in rungs], windows)
    unbounded = [*best.unpriced_models, *best.quarantined_models] if any(window.action != "warn" for window in windows) else []
    return RouteStanding(rungs=rungs, chosen=rungs[found] if found is not None and not unbounded else None, unbounded=unbounded)


def standing_of_user(
    *, user: EndUser, tenant: Tenant | None = None, model: str = "auto", max_tokens: int | None = None, prompt_bytes: int = 1000,
    domain: str | None = None, now: datetime,
) -> UserStanding:  # fmt: skip
    """Return where the next call of an end user would stand, by the budgets as they are at `now`."""
    tenant = tenant or Tenant.objects.get(pk=user.tenant_id)
    tier = user.tier.name if user.tier else tenant.default_tier
    agent = CascadeAgent(config=config.load_agent(now=now), providers={})
    request = CascadeRequest(
        messages=[{"role": "user", "content": "x" * prompt_bytes}], model=model, max_tokens=max_tokens, domain=domain, tier=tier, lot=str(user.pk)
    )
    windows = reports.LedgerSpend(tier=tier, tenant=tenant).windows_of(user.external_id, now=now)
    refusal: CascadeError | None = None
    try:
        route = standing_of(agent.plan(request), agent=agent, windows=windows)
    except CascadeError as refused:
        route, refusal = RouteStanding(rungs=(), chosen=None), refused
    told = BLOCKED if user.is_blocked else refusal.message if refusal else route.explanation
    return UserStanding(tier=tier, route=route, windows=windows, explanation=told, refusal=refusal)


def preview_route(
    *, tenant: Tenant, tier: str, end_user: str, domain: str, complexity: Complexity, prompt_bytes: int, left_nusd: int | None, now: datetime
) -> RoutePreview:
    """Return the way of an imagined call: its models, steps, worst cost and what was left out.

    `end_user` is the tenant's own name of one whose budgets then count as they stand at `now`; empty: nobody's. `left_nusd` is the most that
    the run may hold, in nano-USD, as a call says it with max_cost.
    """
    agent_config = config.load_agent(now=now)
    models, agent = models_for(tier=tier, agent_config=agent_config), CascadeAgent(config=agent_config, providers={})
    request = CascadeRequest(
        messages=[{"role": "user", "content": "x" * prompt_bytes}], domain=domain, tier=tier, max_cost_nusd=left_nusd, lot=end_user
    )
    try:
        best = agent.affordable(agent.plan(request))
    except CascadeError as refused:
        return RoutePreview(models=models, problem=refused.message)
    windows = reports.LedgerSpend(tier=tier, tenant=tenant).windows_of(end_user, now=now)
    stands = standing_of(best, agent=agent, windows=windows)
    if stands.chosen is None:
        return RoutePreview(models=models, problem=stands.explanation.partition(" `windows`")[0])
    return RoutePreview(
        models=models, plan=stands.chosen, explanation=stands.explanation,
        steps=[RouteStep(step=step, needs=_needs(step, domain=domain, complexity=complexity)) for step in stands.chosen.steps],
    )


def models_for(*, tier: str, agent_config: AgentConfig) -> Sequence[ModelForTier]:
    """Return every model of the tenant by name, as a tier may use it."""
    policy = agent_config.router.policy_for(tier)
    return [
        ModelForTier(
            model=model,
            why_not=agent_config.router.objection(model=model, policy=policy) or inability(model, needs=frozenset(), today=agent_config.today) or "",
        )
        for _, model in sorted(agent_config.models.items())
    ]


def _needs(step: PlannedStep, *, domain: str, complexity: Complexity) -> float | None:
    if step.validator is None:
        return None
    return step.threshold if step.threshold is not None else default_threshold(preset=step.validator, domain=domain, complexity=complexity)
