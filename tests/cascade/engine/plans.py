"""Plans without rows: a small catalog to plan against."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from billing.engine.pricing import Price
from cascade.engine.domains import DomainDetector
from cascade.engine.planning import make_plan
from cascade.engine.plans import CascadePlan, CascadeRequest
from cascade.engine.presets import BUILT_IN_PRESETS, AgentConfig, CascadePreset
from cascade.engine.strategies import CascadeStep, DomainCascadeStrategy
from cascade.engine.tiers import TierAwareRouter, TierModelPolicy
from cascade.engine.values import ModelConfig

DETECTOR = DomainDetector()
DRAFT = CascadeStep(name="draft", models=("mini",), validator="balanced")
CHECK = CascadeStep(name="safety", kind="check", models=("mini",), instruction="Is it safe?")
ESCALATE = CascadeStep(name="escalate", models=("large",))


def model(name: str, rate: int, **fields: Any) -> ModelConfig:
    """A model at `rate` dollars per million tokens, in and out."""
    price = Price(version=name, input_nusd=rate * 10**9, output_nusd=rate * 10**9)
    return ModelConfig(name=name, provider="p", upstream_name=name, price=price, **fields)


def preset(*steps: CascadeStep, **fields: Any) -> CascadePreset:
    return CascadePreset(**{"name": "house", "baseline": "large", "strategies": (DomainCascadeStrategy(domain="general", steps=steps),), **fields})


def config(*presets: CascadePreset, policy: Mapping[str, Any] | None = None, **fields: Any) -> AgentConfig:
    models = {name: model(name, rate) for name, rate in (("mini", 1), ("middle", 5), ("large", 20))}
    given = {
        "models": models, "parts": {"draft": "mini", "strong": "large", "checker": "mini"}, "detector": DETECTOR, "today": "2026-01-01",
        "presets": {**BUILT_IN_PRESETS, **{each.name: each for each in presets}},
        "router": TierAwareRouter(policies={"free": TierModelPolicy(tier="free", **policy)} if policy is not None else {}),
    }  # fmt: skip
    return AgentConfig(**{**given, **fields})


def plan(configured: AgentConfig, *, asked: str = "house", **fields: Any) -> CascadePlan:
    request = CascadeRequest(messages=[{"role": "user", "content": "Where is my order?"}], model=asked, tier="free", max_tokens=100)
    return make_plan(msgspec.structs.replace(request, **fields), config=configured)


def names(found: CascadePlan) -> Sequence[str]:
    return [step.name for step in found.steps]
