"""The playground: a call like any other, with a daily limit of its own, whose steps are watched."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from billing import reports, services
from billing.engine.budgets import Action, BudgetScope, Period
from billing.models import Budget
from cascade import config
from cascade.engine.agent import CascadeAgent
from cascade.engine.errors import CascadeError
from cascade.engine.plans import CascadePlan, CascadeRequest, StepOutcome
from cascade.outcomes import RunOutcome, cost_of_step, extension_of
from cascade.runtime import borrowed
from cascade.services import Admission, RunRequest, run_cascade
from dashboards.resources import carry_out
from dashboards.screens.budgets import Budgets
from dashboards.screens.traces import KINDS, WIDTH
from tenants.authentication import Caller
from tenants.models import Membership, Tenant

TAG = "playground"
FIRST_LIMIT_NUSD = 1_000_000_000
"""A dollar a day, until somebody sets another."""
UNDER_WAY: set[asyncio.Task[None]] = set()
"""Runs that may have lost their watcher: the event loop alone would forget them."""
PARTS = "console/playground/{}.html"


def cap(*, now: datetime) -> Any:
    """Return the budget that limits the playground, as budgets_by_risk() gives it; None until somebody has tried something out."""
    return reports.budgets_by_risk(now=now).filter(scope=BudgetScope.TAG, subject=TAG, action=Action.BLOCK).order_by("limit_nusd").first()


def with_cap(membership: Membership, *, now: datetime) -> Budget:
    """Return the playground's limit, and set one where nobody has: a person who tries something out must not spend without bound.

    Two runs side by side may be the first ones: they come here one at a time.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=membership.tenant_id)
    wanted = Budget(scope=BudgetScope.TAG, subject=TAG, period=Period.DAILY, action=Action.BLOCK, limit_nusd=FIRST_LIMIT_NUSD, name="Playground")
    found: Budget | None = cap(now=now)
    return found or carry_out(Budgets(), verb="create", before={}, do=lambda: services.create_budget(budget=wanted), membership=membership)


def spent_of(budget: Any) -> reports.BudgetStanding:
    """Return how a budget of cap() stands."""
    (standing,) = reports.with_standing([budget])
    return standing


def plan_of(request: CascadeRequest, *, membership: Membership, now: datetime) -> CascadePlan:
    """Return the way of a call, without making it. Raises CascadeError."""
    agent = CascadeAgent(config=config.load(tenant_id=membership.tenant_id, now=now).agent, providers={})
    return agent.affordable(agent.plan(request))


async def watched(request: CascadeRequest, *, caller: Caller, user: str, now: datetime, shown: Mapping[str, Any]) -> AsyncIterator[str]:
    """Make the call, and yield a line of JSON for each thing that happens: what was held, each step as it ends, the answer or the reason.

    The call goes the one road: it is held, booked and traced whether somebody goes on watching or not.
    """
    happened: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()

    async def admitted(admission: Admission) -> None:
        happened.put_nowait(("held", admission))

    async def run() -> None:
        try:
            async with borrowed() as runtime:
                making = run_cascade(
                    runtime=runtime, caller=caller, request=RunRequest(cascade=request, user_id=user or None, tags=(TAG,), is_trial=True), now=now,
                    on_admitted=admitted, on_step=lambda step: happened.put_nowait(("step", step)),
                )  # fmt: skip
                outcome = await runtime.see_through(making)
                if outcome.recorded is not None:
                    await asyncio.wait([outcome.recorded])  # so that its trace is there when somebody follows the link
                happened.put_nowait(("answer", outcome))
        except CascadeError as refused:
            happened.put_nowait(("refused", refused))
        finally:
            happened.put_nowait(None)

    task = asyncio.ensure_future(run())
    UNDER_WAY.add(task)
    task.add_done_callback(UNDER_WAY.discard)
    plan, begun_ms = None, 0.0
    while (one := await happened.get()) is not None:
        said = dict(shown)
        if isinstance(one[1], Admission):
            plan = one[1].plan
        if isinstance(one[1], StepOutcome):
            said |= _told_of_step(one[1], plan=plan, begun_ms=begun_ms)
            begun_ms = said["ended_ms"]
        yield json.dumps({"kind": one[0], "html": _html(*one, said)}) + "\n"


def _told_of_step(step: StepOutcome, *, plan: CascadePlan | None, begun_ms: float) -> Mapping[str, Any]:
    """What a step is told with: its money, and its place on a line of time that ends with it. The page draws the line anew with each step."""
    ended_ms = begun_ms + step.latency_ms
    x = round(WIDTH * begun_ms / max(ended_ms, 1.0), 1)
    return {
        "usage": step.attempts[-1].usage if step.attempts else None, "cost_nusd": cost_of_step(step, plan=plan) if plan else None,
        "begun_ms": begun_ms, "ended_ms": ended_ms, "bar": KINDS[step.status][1], "x": x, "width": max(2.0, round(WIDTH - x, 1)),
    }  # fmt: skip


def _html(kind: str, thing: Any, shown: Mapping[str, Any]) -> str:
    said: dict[str, Any] = {**shown, "thing": thing}
    if isinstance(thing, RunOutcome):
        said |= {"told": extension_of(thing), "text": thing.completion.message.get("content") or "", "saved": _saved(thing)}
    return render_to_string(PARTS.format(kind), said)


def _saved(outcome: RunOutcome) -> int | None:
    return None if outcome.baseline_nusd is None else outcome.baseline_nusd - outcome.cost_nusd
