"""Whole ways of answering, ready to use: strategies per domain, quality, timeouts. Five are built in; tenants add their own."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cascade.engine.errors import InvalidRequest
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
