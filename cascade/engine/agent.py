"""The engine's front: plan, execute, or both."""

from collections.abc import Mapping, Sequence

from billing.engine.money import to_usd
from cascade.engine.breaker import ConnectionBreaker
from cascade.engine.errors import InvalidRequest
from cascade.engine.execution import BeforeLeg, Execution, OnStep, Sink
from cascade.engine.ladder import TIGHT_BUDGET, ladder
from cascade.engine.planning import available_models, make_plan
from cascade.engine.plans import CascadePlan, CascadeRequest, CascadeResult
from cascade.engine.presets import AgentConfig
from cascade.engine.providers.base import BaseProvider

DEADLINE_S = 600.0


async def _nothing(leg: int) -> None:
    """For runs without a ledger: nothing is to be marked."""


class CascadeAgent:
    """Plans and carries out the calls of one tenant.

    `agent.run(request)` is both halves without a budget. With money at stake, call `plan()`, hold its `max_cost_nusd` (or that of the
    rung of `ladder(plan)` that fits), `execute()` it, and book the attempts of its result.
    """

    def __init__(
        self, *, config: AgentConfig, providers: Mapping[str, BaseProvider], breakers: Mapping[str, ConnectionBreaker] | None = None
    ) -> None:
        self._config, self._providers, self._breakers = config, providers, breakers or {}

    def plan(self, request: CascadeRequest) -> CascadePlan:
        """Return the best way to answer, and what it can cost at the most.

        Pure: no network, no clock, no rows. Raises ModelNotFound, ModelNotAllowed, InvalidRequest.
        Worked number: 1,000 bytes of prompt, drafts capped at 512 tokens on a model of 0.15 / 0.60 USD per million and escalated to
        one of 2.50 / 10: at most (150,000 + 307,200) + (2,500,000 + 5,120,000) nano-USD, and a little for the message's frame.
        """
        return make_plan(request, config=self._config)

    def ladder(self, plan: CascadePlan, *, because: str = TIGHT_BUDGET) -> Sequence[CascadePlan]:
        """Return the plan and what a tight budget still bears, dearest first."""
        return ladder(plan, config=self._config, because=because)

    def affordable(self, best: CascadePlan) -> CascadePlan:
        """Return the best rung within what the call itself and its tier allow for one run. Raises InvalidRequest when none is.

        Worked number: a plan that can cost 5,300,000 nano-USD in a tier that allows 2,000,000 for one run gives the rung of 1,300,000.
        """
        policy = self._config.router.policy_for(best.tier)
        limits = [limit for limit in (best.request.max_cost_nusd, policy.max_cost_nusd) if limit is not None]
        if not limits or best.max_cost_nusd <= min(limits):
            return best
        rungs = self.ladder(best)
        fitting = next((plan for plan in rungs if plan.max_cost_nusd <= min(limits)), None)
        if fitting is None:
            raise InvalidRequest(
                f"This run may cost at most {to_usd(min(limits))} USD (max_cost of the call or of its tier), but its cheapest way can cost "
                f"{to_usd(rungs[-1].max_cost_nusd)}. Raise the limit, or ask for less with a smaller max_tokens or a shorter prompt.",
                param="max_cost",
            )
        return fitting

    def available_models(self, request: CascadeRequest) -> Sequence[str]:
        """Return the names of the models that could answer this request and may."""
        return available_models(request, config=self._config)

    async def execute(
        self, plan: CascadePlan, *, before_leg: BeforeLeg = _nothing, sink: Sink | None = None, deadline_s: float = DEADLINE_S,
        on_step: OnStep | None = None,
    ) -> CascadeResult:  # fmt: skip
        """Carry the plan out. Errors are in the result, beside the steps that must be booked; only `before_leg` and `sink` can raise.

        With a sink, the last step's answer is streamed to it live; answers that are judged come whole. `on_step` is told each step as it ends.
        """
        execution = Execution(
            plan=plan, providers=self._providers, breakers=self._breakers, before_leg=before_leg, sink=sink, deadline_s=deadline_s, on_step=on_step
        )
        return await execution.run()

    async def run(self, request: CascadeRequest) -> CascadeResult:
        """Plan and execute the whole path. Raises what `plan` raises."""
        return await self.execute(self.plan(request))
