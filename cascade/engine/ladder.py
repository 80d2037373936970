"""What a budget that degrades still bears: the plan, and cheaper and cheaper ways to answer, dearest first."""

from collections.abc import Iterator

import msgspec

from cascade.engine.judged_steps import with_last_step_unjudged
from cascade.engine.planning import bounded, denial, inability, needed_capabilities
from cascade.engine.plans import CascadePlan, PlannedStep
from cascade.engine.presets import AgentConfig
from cascade.engine.values import ModelConfig

SHORTEST = 256
"""Tokens: answers are not cut below this."""
TIGHT_BUDGET = "the budget does not bear the best path"


def ladder(plan: CascadePlan, *, config: AgentConfig, because: str = TIGHT_BUDGET) -> tuple[CascadePlan, ...]:
    """Return the plan and its cheaper ways, each with a lower worst cost than the one before: at most five rungs.

    `because` is why a cheaper way is wanted, in words for the reply.

    best            the plan as it is
    cheaper_path    the next cheaper model that the tier allows in place of the last one (or one escalation less)
    shorter_answers that path, its answers at most half as long
    draft_only      the first answer, with no escalation
    short_draft     the first answer, at most 256 tokens

    Check steps stay on every rung, and where the tier sets a least quality so does the judge: what is cheaper is not less safe. No rung asks
    a model again for its quality. Worked number: a draft bound at 300,000 nano-USD and an escalation at
    5,000,000, with a model between that is bound at 1,000,000, give 5,300,000, 1,300,000, 650,000, 300,000 and what 256 tokens cost.
    """
    rungs = [plan]
    for candidate in _cheaper(plan, config):
        if candidate.max_cost_nusd < rungs[-1].max_cost_nusd:
            rungs.append(msgspec.structs.replace(candidate, degraded=f"{candidate.degraded}: {because}"))
    return tuple(rungs)


def _cheaper(plan: CascadePlan, config: AgentConfig) -> Iterator[CascadePlan]:
    plan = msgspec.structs.replace(plan, steps=tuple(step for step in plan.steps if not step.is_retry))
    path = _cheaper_path(plan, config)
    if path is not None:
        yield path
    yield _shorter(path or plan)
    draft = _draft_only(path or plan)
    yield draft
    yield _short_draft(draft)


def _cheaper_path(plan: CascadePlan, config: AgentConfig) -> CascadePlan | None:
    answers = [number for number, step in enumerate(plan.steps) if step.kind == "answer"]
    last = plan.steps[answers[-1]]
    model = _next_cheaper(plan, last, config, above=plan.steps[answers[0]].bound_nusd if len(answers) > 1 else 0)
    if model is not None:
        step = bounded(msgspec.structs.replace(last, candidates=(model,)), max_tokens=min(last.max_tokens, model.max_output_tokens))
        steps = tuple(step if number == answers[-1] else each for number, each in enumerate(plan.steps))
        return _rung(plan, steps, name="cheaper_path", what=f"{model.name} in place of {last.model.name}")
    if len(answers) > 2:
        steps = tuple(each for number, each in enumerate(plan.steps) if number != answers[-1])
        return _rung(plan, steps, name="cheaper_path", what=f"without {last.name}")
    return None


def _next_cheaper(plan: CascadePlan, last: PlannedStep, config: AgentConfig, *, above: int) -> ModelConfig | None:
    """The dearest model that costs less than the last step's and, where it is an escalation, more than the draft's."""
    policy, needs = config.router.policy_for(plan.tier), needed_capabilities(plan.request)
    asked = {model.name for step in plan.steps if step.kind == "answer" for model in step.candidates}
    found: dict[int, ModelConfig] = {}
    for model in config.models.values():
        if model.price is None or model.is_quarantined or model.name in asked or inability(model, needs=needs, today=config.today):
            continue
        if denial(model, request=plan.request, config=config, policy=policy):
            continue
        bound = bounded(msgspec.structs.replace(last, candidates=(model,)), max_tokens=min(last.max_tokens, model.max_output_tokens)).bound_nusd
        if above < bound < last.bound_nusd:
            found.setdefault(bound, model)
    return found[max(found)] if found else None


def _shorter(plan: CascadePlan) -> CascadePlan:
    steps = tuple(
        bounded(step, max_tokens=min(step.max_tokens, max(SHORTEST, step.max_tokens // 2))) if step.kind == "answer" else step for step in plan.steps
    )
    longest = max(step.max_tokens for step in steps if step.kind == "answer")
    return _rung(plan, steps, name="shorter_answers", what=f"answers of at most {longest} tokens")


def _draft_only(plan: CascadePlan) -> CascadePlan:
    first = next(number for number, step in enumerate(plan.steps) if step.kind == "answer")
    steps = tuple(step for number, step in enumerate(plan.steps) if step.kind != "answer" or number == first)
    return _rung(plan, steps, name="draft_only", what="draft only")


def _short_draft(draft: CascadePlan) -> CascadePlan:
    steps = tuple(bounded(step, max_tokens=min(step.max_tokens, SHORTEST)) if step.kind == "answer" else step for step in draft.steps)
    return _rung(draft, steps, name="short_draft", what=f"draft only, at most {SHORTEST} tokens")


def _rung(plan: CascadePlan, steps: tuple[PlannedStep, ...], *, name: str, what: str) -> CascadePlan:
    return msgspec.structs.replace(plan, steps=with_last_step_unjudged(steps), degraded=what, rung=name)
