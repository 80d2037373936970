"""Whole ways of answering, ready to use: strategies per domain, quality, timeouts. Five are built in; tenants add their own."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from cascade.engine.domains import DomainDetector
from cascade.engine.errors import InvalidRequest
from cascade.engine.providers.registry import SIMULATED, provider_spec, starting_models
from cascade.engine.rollout import Rollout
from cascade.engine.strategies import (
    CODE,
    DATA,
    GENERAL,
    LEGAL,
    MATH,
    MEDICAL,
    CascadeStep,
    DomainCascadeStrategy,
    draft,
    escalate,
)
from cascade.engine.tiers import TierAwareRouter
from cascade.engine.values import ModelConfig

BUILT_IN_VERSION = "builtin-1"
FALLBACK_DOMAIN = "general"


class CascadePreset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named way of answering. The strategy of `general` serves every domain that has none of its own."""

    name: str
    title: str = ""
    strategies: tuple[DomainCascadeStrategy, ...]
    baseline: str = "@strong"
    """The model that savings are measured against: what the tenant would use without us."""
    version: str = BUILT_IN_VERSION

    def steps_for(self, domain: str) -> tuple[CascadeStep, ...]:
        by_domain = {strategy.domain: strategy.steps for strategy in self.strategies}
        return by_domain.get(domain) or by_domain[FALLBACK_DOMAIN]

    @property
    def policy_version(self) -> str:
        return f"{self.name}@{self.version}"

    def to_agent_config(self, *, provider: str = SIMULATED.slug, models: Sequence[ModelConfig] = (), today: str = "") -> "AgentConfig":
        """Return all that a CascadeAgent needs to answer by this preset: the engine alone, without rows, tiers of one's own or money.

        `provider` is a slug of SUPPORTED_PROVIDERS, or "simulated": its two models to start with take the parts "@draft" and "@strong", at
        their list prices, and `CascadeAgent(providers=...)` must have it under that name. Models of one's own may be given instead; the
        first of them drafts and the last is strong. From its day of retirement on (`today`, as an ISO date) a model is left out; with no
        `today` none is. Raises InvalidRequest for a provider that is not supported.
        Worked number: "simulated" has 2 models, and bounds a draft's 1,000 output tokens at 600,000 nano-USD.
        """
        chosen = models or starting_models(provider_spec(provider))
        return AgentConfig(
            models={model.name: model for model in chosen}, parts={"draft": chosen[0].name, "strong": chosen[-1].name},
            presets={**BUILT_IN_PRESETS, self.name: self}, default_preset=self.name, detector=DomainDetector(),
            router=TierAwareRouter(policies={}), today=today,
        )  # fmt: skip


def preset_from_definition(definition: Mapping[str, Any], *, name: str, version: str) -> CascadePreset:
    """Return the preset of a stored or provisioned definition. Raises InvalidRequest naming the field that is wrong."""
    try:
        preset = msgspec.convert({**definition, "name": name, "version": version}, CascadePreset, strict=True)
    except msgspec.ValidationError as wrong:
        raise InvalidRequest(f"Preset {name!r}: {wrong}", param="definition") from wrong
    domains = [strategy.domain for strategy in preset.strategies]
    if FALLBACK_DOMAIN not in domains:
        raise InvalidRequest(f"Preset {name!r} needs a strategy for the domain 'general': it serves all domains without one.", param="definition")
    if len(set(domains)) != len(domains):
        raise InvalidRequest(f"Preset {name!r} has two strategies for one domain.", param="definition")
    for strategy in preset.strategies:
        if not any(step.kind == "answer" for step in strategy.steps):
            raise InvalidRequest(f"Preset {name!r}: the strategy for {strategy.domain!r} has no step that answers.", param="definition")
        for step in strategy.steps:
            if not step.models:
                raise InvalidRequest(f"Preset {name!r}: the step {step.name!r} names no model.", param="definition")
            if step.threshold is not None and not 0 <= step.threshold <= 1:
                raise InvalidRequest(f"Preset {name!r}: the threshold of {step.name!r} must be between 0 and 1.", param="definition")
    return preset


def _for_all(*steps: CascadeStep) -> tuple[DomainCascadeStrategy, ...]:
    return (DomainCascadeStrategy(domain=FALLBACK_DOMAIN, steps=steps),)


PRESET_PRODUCTION_READY = CascadePreset(
    name="production_ready", title="Balanced quality and cost for most products", strategies=(GENERAL, CODE, MATH, DATA, LEGAL, MEDICAL)
)
PRESET_COST_OPTIMIZED_SAAS = CascadePreset(
    name="cost_optimized_saas", title="Cheapest answers that still hold, for many small calls",
    strategies=_for_all(draft(validator="fast"), escalate()),
)
PRESET_CODE_SPECIALIST = CascadePreset(
    name="code_specialist", title="Code that parses, judged strictly", strategies=(CODE, *_for_all(draft(), escalate()))
)
PRESET_MEDICAL_AI = CascadePreset(
    name="medical_ai", title="Every answer is checked for facts and safety by a second model", strategies=(MEDICAL, *_for_all(*MEDICAL.steps))
)
PRESET_ENTERPRISE_GRADE = CascadePreset(
    name="enterprise_grade", title="Strict judgement in every domain",
    strategies=(*_for_all(draft(validator="strict"), escalate()), CODE, LEGAL, MEDICAL),
)
BUILT_IN_PRESETS: Mapping[str, CascadePreset] = {
    preset.name: preset
    for preset in (
        PRESET_PRODUCTION_READY, PRESET_COST_OPTIMIZED_SAAS, PRESET_CODE_SPECIALIST, PRESET_MEDICAL_AI, PRESET_ENTERPRISE_GRADE,
    )
}
DEFAULT_PRESET = PRESET_PRODUCTION_READY.name


class AgentConfig(Struct, frozen=True, kw_only=True):
    """All that decides how one tenant's calls are answered."""

    models: Mapping[str, ModelConfig]
    parts: Mapping[str, str] = {}
    """Which model is "draft", "strong" and "checker"."""
    aliases: Mapping[str, str] = {}
    """The model that answers to an old name which the tenant does not use itself."""
    presets: Mapping[str, CascadePreset] = msgspec.field(default_factory=lambda: BUILT_IN_PRESETS)
    default_preset: str = DEFAULT_PRESET
    rollouts: Mapping[str, Rollout] = {}
    """Presets that do not serve everybody, by name."""
    detector: DomainDetector
    router: TierAwareRouter
    today: str = ""
    """ISO date by which models are retired."""
