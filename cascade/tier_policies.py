"""What a tier binds: its rate limits and its policy, changed together. Calls go by them from the next one on."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.engine.tiers import BUILT_IN_POLICIES
from cascade.models import CatalogModel, Preset, TierPolicy
from tenants.models import Tier
from tenants.scoping import claim_for_scope

POLICY_FIELDS = ("allowed_models", "denied_models", "preset", "fallback", "max_cost_nusd", "max_steps", "max_tokens", "min_quality")
TIER_FIELDS = ("title", "requests_per_minute", "tokens_per_minute")


def check_preset(name: str) -> None:
    """Raises ValidationError for a preset that neither is built in nor the tenant's."""
    if name and name not in BUILT_IN_PRESETS and not Preset.objects.filter(name=name).exists():
        raise ValidationError("There is no preset of this name. Name one that GET /api/v1/presets/ lists.")


def check_fallback(name: str) -> None:
    """Raises ValidationError for a model that the tenant does not have."""
    if name and not CatalogModel.objects.filter(name=name).exists():
        raise ValidationError("You have no model of this name. Name one that GET /api/v1/models/ lists.")


def policy_of(tier: Tier) -> TierPolicy:
    """Return the policy that binds a tier: its row, or the built-in one of its name as a row that is not saved."""
    stored: TierPolicy | None = getattr(tier, "policy", None)
    if stored is not None:
        return stored
    built_in = BUILT_IN_POLICIES.get(tier.name)
    if built_in is None:
        return TierPolicy()
    return TierPolicy(
        preset=built_in.preset or "", fallback=built_in.fallback or "", max_cost_nusd=built_in.max_cost_nusd, max_steps=built_in.max_steps,
        max_tokens=built_in.max_tokens, min_quality=built_in.min_quality, allowed_models=sorted(built_in.allowed_models),
        denied_models=sorted(built_in.denied_models),
    )


def save_tier(*, tier: Tier, changes: Mapping[str, Any]) -> Tier:
    """Create or change a tier and its policy. A policy that says what the built-in one says gets no row: it goes on following that.

    `changes` names fields of both. Raises ValidationError for what is out of bounds, or names no model or preset of the tenant.
    """
    for name in ("name", *TIER_FIELDS):
        if name in changes:
            setattr(tier, name, changes[name])
    claim_for_scope(tier)
    tier.full_clean()
    policy = policy_of(tier)
    wanted = {name: changes[name] for name in POLICY_FIELDS if name in changes and changes[name] != getattr(policy, name)}
    tier.save()
    if wanted:
        _save_policy(tier, policy, wanted)
    return tier


def _save_policy(tier: Tier, policy: TierPolicy, wanted: Mapping[str, Any]) -> None:
    check_preset(wanted.get("preset", ""))
    check_fallback(wanted.get("fallback", ""))
    for name, value in wanted.items():
        setattr(policy, name, value)
    policy.tier = tier
    claim_for_scope(policy)
    policy.full_clean()
    policy.save()
