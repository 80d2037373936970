"""What a tier may use. One router answers for every path: draft, escalation, check, direct call, fallback, stream."""

from collections.abc import Mapping

from msgspec import Struct

from cascade.engine.values import ModelConfig


class TierModelPolicy(Struct, frozen=True, kw_only=True):
    """What one tier may use. Empty means no limit."""

    tier: str
    allowed_models: frozenset[str] = frozenset()
    denied_models: frozenset[str] = frozenset()
    preset: str | None = None
    """Used when the call names none."""
    fallback: str | None = None
    """The model that answers where the policy forbids all that were wanted, instead of a refusal."""
    max_cost_nusd: int | None = None
    """Most that one run may hold, in nano-USD."""
    max_steps: int | None = None
    max_tokens: int | None = None
    min_quality: float | None = None
    """Least threshold, 0 to 1, that a draft is judged by, whatever a preset says."""


BUILT_IN_POLICIES: Mapping[str, TierModelPolicy] = {
    policy.tier: policy
    for policy in (
        TierModelPolicy(tier="free", preset="cost_optimized_saas", max_tokens=1024),
        TierModelPolicy(tier="pro", max_tokens=4096),
        TierModelPolicy(tier="enterprise", preset="enterprise_grade"),
    )
}


class TierAwareRouter:
    """Answers, for the tiers of one tenant, whether a model may be used and why not."""

    def __init__(self, *, policies: Mapping[str, TierModelPolicy]) -> None:
        self._policies = {**BUILT_IN_POLICIES, **policies}

    def policy_for(self, tier: str | None) -> TierModelPolicy:
        return self._policies.get(tier or "") or TierModelPolicy(tier=tier or "")

    def objection(self, *, model: ModelConfig, policy: TierModelPolicy) -> str | None:
        """Return why the tier may not use the model, in words, or None when it may."""
        if model.name in policy.denied_models:
            return f"the tier {policy.tier!r} may not use {model.name!r}"
        if policy.allowed_models and model.name not in policy.allowed_models:
            return f"{model.name!r} is not among the models of the tier {policy.tier!r}"
        return None
