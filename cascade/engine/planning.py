"""From a request to a plan: which models, in which order, judged how, at what worst cost. Pure and cheap."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from billing.engine.pricing import bound_nusd
from cascade.engine.assurance import Dropped, objection_to
from cascade.engine.complexity import assess_complexity
from cascade.engine.errors import CannotServe, CascadeError, InvalidRequest, ModelNotAllowed, ModelNotFound
from cascade.engine.judged_steps import with_last_step_unjudged, with_retries
from cascade.engine.plans import CascadePlan, CascadeRequest, PlannedStep
from cascade.engine.presets import AgentConfig, CascadePreset
from cascade.engine.rollout import shadow_of
from cascade.engine.strategies import CascadeStep
from cascade.engine.tiers import TierModelPolicy
from cascade.engine.values import DomainMatch, Message, ModelConfig

DEFAULT_MAX_TOKENS = 1024
TOKENS_PER_MESSAGE = 8
FIXED_TOKENS = 64
TOKENS_PER_IMAGE = 40_000
"""More than any provider of today bills for one picture (gpt-4o-mini, high detail: 36,835)."""
PRICED_PARAMETERS = ("tools", "functions", "response_format")
"""Fields beside the messages that providers count as input."""
BOUNDED_CONTENT = ("text", "image_url", "refusal")
CHECK_OVERHEAD_BYTES = 1_500
BYTES_PER_ANSWER_TOKEN = 6
"""A check sees at most this many bytes of the answer per token of its cap, so that its own input has a bound."""
MOST_CANDIDATES = 2
DOMAIN_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


def make_plan(request: CascadeRequest, *, config: AgentConfig) -> CascadePlan:
    """Return the plan for a request. Raises ModelNotFound, ModelNotAllowed, InvalidRequest, CannotServe."""
    policy = config.router.policy_for(request.tier)
    prompt = prompt_of(request.messages)
    domain = _said_domain(request.domain) if request.domain else config.detector.detect(prompt)
    preset, wanted = _steps_wanted(request, config=config, policy=policy, domain=domain.domain)
    rollout = config.rollouts.get(preset.name) if preset else None
    blank = CascadePlan(
        request=request, prompt=prompt, domain=domain, complexity=assess_complexity(prompt, domain=domain.domain), tier=request.tier,
        preset=preset.name if preset else "", policy_version=preset.policy_version if preset else f"direct:{wanted[0].models[0]}", steps=(),
        baseline=_baseline(preset, wanted, config=config, policy=policy), arm="cascade" if preset else "",
        is_measured=rollout is not None,
    )
    around = _Around(request=request, config=config, policy=policy, input_bound=input_bound_tokens(request))
    if preset is None or rollout is None or rollout.takes(preset=preset.name, lot=request.lot):
        return _path(blank, wanted, around)
    return _straight(blank, wanted, around, model=preset.baseline, is_shadowed=rollout.shadow)


class _Around(Struct, frozen=True, kw_only=True):
    """What every step of a plan is decided by."""

    request: CascadeRequest
    config: AgentConfig
    policy: TierModelPolicy
    input_bound: int


def _path(blank: CascadePlan, wanted: Sequence[CascadeStep], around: _Around) -> CascadePlan:
    """Return the plan with the steps of its strategy. Raises ModelNotAllowed and CannotServe where no honest path is left."""
    steps, dropped = _decide(wanted, around)
    skipped = [*blank.skipped, *(drop.text for drop in dropped)]
    if not any(step.kind == "answer" for step in steps):
        raise _nothing_left(skipped, request=around.request, denied=any(drop.is_denied for drop in dropped))
    objection = objection_to(steps, wanted=wanted, dropped=dropped, policy=around.policy)
    if objection:
        raise objection
    retried, left_out = with_retries(steps, parameters=around.request.parameters, most_steps=around.policy.max_steps)
    return msgspec.structs.replace(blank, steps=with_last_step_unjudged(retried), skipped=(*skipped, *left_out))


def _straight(blank: CascadePlan, wanted: Sequence[CascadeStep], around: _Around, *, model: str, is_shadowed: bool) -> CascadePlan:
    """Return the plan of the baseline's arm; the cascade's where the baseline may not or cannot serve the request."""
    steps, dropped = _decide((CascadeStep(name="baseline", models=(model,), timeout_s=120.0),), around)
    if not steps or steps[0].model != blank.baseline:
        return _path(msgspec.structs.replace(blank, skipped=tuple(drop.text for drop in dropped)), wanted, around)
    plan = msgspec.structs.replace(blank, steps=tuple(steps), arm="baseline")
    try:
        return msgspec.structs.replace(plan, shadow=shadow_of(_path(blank, wanted, around))) if is_shadowed else plan
    except CascadeError:
        return plan  # what cannot be planned cannot be drafted beside it


def _said_domain(said: str) -> DomainMatch:
    """A domain may be the tenant's own, but it is a name: it stands in headers, reports and the book."""
    name = said.strip().lower()
    if not DOMAIN_NAME.fullmatch(name):
        raise InvalidRequest("A domain is a name of 1 to 64 lower-case letters, digits, '-' and '_', for example \"legal\".", param="domain")
    return DomainMatch(domain=name, confidence=1.0, overridden=True)


def prompt_of(messages: Sequence[Message]) -> str:
    """Return the text of the last user message; of the last message where no user speaks."""
    speaking = next((message for message in reversed(messages) if message.get("role") == "user"), messages[-1] if messages else {})
    content = speaking.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return " ".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def input_bound_tokens(request: CascadeRequest) -> int:
    """Return more tokens than any provider counts for the input: every token of a byte-level tokenizer is at least one byte."""
    images, image_bytes = 0, 0
    for message in request.messages:
        for part in message.get("content") if isinstance(message.get("content"), list) else ():  # type: ignore[union-attr]
            if isinstance(part, Mapping) and part.get("type") == "image_url":
                images += 1
                image_bytes += len(msgspec.json.encode(part))
    priced = [request.messages, *(request.parameters[name] for name in PRICED_PARAMETERS if name in request.parameters)]
    size = _most_bytes(msgspec.json.encode(priced)) - image_bytes
    return size + TOKENS_PER_MESSAGE * len(request.messages) + FIXED_TOKENS + images * TOKENS_PER_IMAGE


def unbounded_content(messages: Sequence[Message]) -> tuple[str, ...]:
    """Return the kinds of content whose tokens the length of the request does not bound: files, audio, and what is not known yet."""
    kinds = {"audio" for message in messages if message.get("audio")}
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list | tuple) else ():
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind not in BOUNDED_CONTENT:
                kinds.add(str(kind)[:40])
    return tuple(sorted(kinds))


def _most_bytes(encoded: bytes) -> int:
    """Some tokenizers normalise first (NFKC), which can make a text longer: U+FDFA alone becomes 33 bytes."""
    return len(encoded) if encoded.isascii() else max(len(encoded), len(unicodedata.normalize("NFKC", encoded.decode()).encode()))


def _steps_wanted(
    request: CascadeRequest, *, config: AgentConfig, policy: TierModelPolicy, domain: str
) -> tuple[CascadePreset | None, Sequence[CascadeStep]]:
    name = (policy.preset or config.default_preset) if request.model == "auto" else request.model
    preset = config.presets.get(name) if name not in config.models else None
    if preset is None and (name in config.models or name in config.aliases):
        return None, (CascadeStep(name="direct", models=(config.aliases.get(name, name),), timeout_s=120.0),)
    if preset is None:
        raise ModelNotFound(
            f"No model or preset is called {name[:100]!r}. Presets: {', '.join(sorted(config.presets))}. "
            f"Models: {', '.join(sorted(config.models)[:20]) or 'none yet'}.",
            param="model",
        )
    return preset, preset.steps_for(domain)


def _decide(wanted: Sequence[CascadeStep], around: _Around) -> tuple[list[PlannedStep], list[Dropped]]:
    steps: list[PlannedStep] = []
    dropped: list[Dropped] = []
    policy = around.policy
    for step in wanted:
        candidates, objections = _candidates(step, around)
        dropped += objections
        answered_by = {planned.model.name for planned in steps if planned.kind == "answer"}
        if not candidates or (step.kind == "check" and not answered_by) or (step.kind == "answer" and candidates[0].name in answered_by):
            continue
        if policy.max_steps is not None and len(steps) >= policy.max_steps:
            dropped.append(Dropped(step=step.name, why=f"the tier {policy.tier!r} may take {policy.max_steps} steps", is_denied=True))
            continue
        steps.append(_plan_step(step, candidates, around, before=steps))
    return steps, dropped


def _candidates(step: CascadeStep, around: _Around) -> tuple[tuple[ModelConfig, ...], list[Dropped]]:
    """Return the models that may and can take the step, and what stands in the way of the others."""
    config, policy = around.config, around.policy
    needs = needed_capabilities(around.request) if step.kind == "answer" else frozenset()
    found: list[ModelConfig] = []
    objections: list[Dropped] = []
    for name in step.models:
        model = resolve(name, config=config)
        if model is None:
            why = f"no model is called {name!r}" if not name.startswith("@") else f"no model is marked as {name[1:]!r}"
            objections.append(Dropped(step=step.name, why=why))
        elif denied := denial(model, request=around.request, config=config, policy=policy):
            objections.append(Dropped(step=step.name, why=denied, is_denied=True))
        elif unable := inability(model, needs=needs, today=config.today):
            objections.append(Dropped(step=step.name, why=unable))
        elif model not in found:
            found.append(model)
    if not found and step.kind == "answer" and policy.fallback and any(objection.is_denied for objection in objections):
        return _fallback(policy.fallback, around, needs=needs), objections
    return tuple(found[:MOST_CANDIDATES]), objections


def _fallback(name: str, around: _Around, *, needs: frozenset[str]) -> tuple[ModelConfig, ...]:
    """The policy's own fallback is bound by the policy too."""
    model = resolve(name, config=around.config)
    if model is None or denial(model, request=around.request, config=around.config, policy=around.policy):
        return ()
    return () if inability(model, needs=needs, today=around.config.today) else (model,)


def resolve(name: str, *, config: AgentConfig) -> ModelConfig | None:
    """Return the model of a name, of an old name or of a part such as "@strong", or None."""
    if name.startswith("@"):
        name = config.parts.get(name[1:], "")
    return config.models.get(name) or config.models.get(config.aliases.get(name, ""))


def needed_capabilities(request: CascadeRequest) -> frozenset[str]:
    needs = set()
    if request.parameters.get("tools") or request.parameters.get("functions"):
        needs.add("tools")
    if (request.parameters.get("response_format") or {}).get("type", "text") != "text":
        needs.add("json")
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, list) and any(isinstance(part, Mapping) and part.get("type") == "image_url" for part in content):
            needs.add("vision")
    return frozenset(needs)


def denial(model: ModelConfig, *, request: CascadeRequest, config: AgentConfig, policy: TierModelPolicy) -> str | None:
    """Return why the model may not be asked, in words: the tier's policy, or what an enforcement callback left. None when it may."""
    if request.only_models is not None and model.name not in request.only_models:
        return f"an enforcement callback leaves {model.name!r} out"
    return config.router.objection(model=model, policy=policy)


def available_models(request: CascadeRequest, *, config: AgentConfig) -> tuple[str, ...]:
    """Return the names of the models that could answer this request and may, in their order."""
    policy, needs = config.router.policy_for(request.tier), needed_capabilities(request)
    return tuple(
        name
        for name, model in sorted(config.models.items())
        if denial(model, request=request, config=config, policy=policy) is None and inability(model, needs=needs, today=config.today) is None
    )


def inability(model: ModelConfig, *, needs: frozenset[str], today: str) -> str | None:
    """Return why the model cannot serve these needs, in words, or None when it can."""
    missing = needs - model.capabilities
    if missing:
        return f"{model.name!r} cannot do {' and '.join(sorted(missing))}"
    if model.retired_on and today and model.retired_on <= today:
        return f"{model.name!r} was retired on {model.retired_on}"
    return None


def _plan_step(step: CascadeStep, candidates: tuple[ModelConfig, ...], around: _Around, *, before: Sequence[PlannedStep]) -> PlannedStep:
    request, policy, input_bound = around.request, around.policy, around.input_bound
    if step.kind == "check":
        answer_bytes = max((planned.max_tokens for planned in before if planned.kind == "answer"), default=0) * BYTES_PER_ANSWER_TOKEN
        caps, input_bound = [step.max_tokens or 200], input_bound + answer_bytes + CHECK_OVERHEAD_BYTES
    else:
        caps = [request.max_tokens or DEFAULT_MAX_TOKENS, *(cap for cap in (step.max_tokens, policy.max_tokens) if cap is not None)]
    threshold = step.threshold
    if step.validator and policy.min_quality is not None:
        threshold = max(step.threshold or 0.0, policy.min_quality)
    max_tokens = max(1, min(*caps, *[model.max_output_tokens for model in candidates]))
    return PlannedStep(
        name=step.name, kind=step.kind, candidates=candidates, validator=step.validator, threshold=threshold, max_tokens=max_tokens,
        timeout_s=step.timeout_s, instruction=step.instruction, input_bound_tokens=input_bound,
        bound_nusd=_dearest_nusd(candidates, input_tokens=input_bound, output_tokens=max_tokens),
        retries_on_quality=step.retries_on_quality if step.validator else 0, is_always_judged=bool(step.validator and policy.min_quality),
    )


def bounded(step: PlannedStep, *, max_tokens: int) -> PlannedStep:
    """Return the step with this cap on its answer, and the most that it can cost then."""
    bound = _dearest_nusd(step.candidates, input_tokens=step.input_bound_tokens, output_tokens=max_tokens)
    return msgspec.structs.replace(step, max_tokens=max_tokens, bound_nusd=bound)


def _dearest_nusd(candidates: Sequence[ModelConfig], *, input_tokens: int, output_tokens: int) -> int:
    bounds = [bound_nusd(input_tokens=input_tokens, output_tokens=output_tokens, price=model.price) for model in candidates if model.price]
    return max(bounds, default=0)


def _baseline(
    preset: CascadePreset | None, wanted: Sequence[CascadeStep], *, config: AgentConfig, policy: TierModelPolicy
) -> ModelConfig | None:
    """The preset's baseline; of a direct call the model itself, unless the tier may not use it: nothing is saved by what was forbidden."""
    model = resolve(preset.baseline if preset else wanted[0].models[0], config=config)
    return None if preset is None and model is not None and config.router.objection(model=model, policy=policy) else model


def _nothing_left(skipped: Sequence[str], *, request: CascadeRequest, denied: bool) -> ModelNotAllowed | CannotServe:
    why = "; ".join(dict.fromkeys(skipped)) or "the preset names no model"
    if denied:
        return ModelNotAllowed(f"No model may answer this request: {why}.", param="model")
    return CannotServe(f"No model can answer this request with {request.model!r}: {why}.", param="model")
