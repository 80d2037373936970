"""The rows that decide how calls are answered: connections, models, tiers, presets, domain rules."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cascade.engine.presets import CascadePreset, preset_from_definition
from cascade.models import CatalogModel, DomainRule, Preset, PresetVersion, ProviderConnection, TierPolicy
from cascade.provisioning.changes import Changes, plain
from cascade.provisioning.document import WantedModel, WantedPolicy, WantedPreset, WantedProvider, WantedRule, WantedTier
from tenants.encryption import Secret
from tenants.models import Tier


def apply_provider(wanted: WantedProvider, *, environment: Mapping[str, str], changes: Changes) -> None:
    credential = Secret(environment[wanted.api_key_env]) if wanted.api_key_env else None
    values = {"provider": wanted.provider, "base_url": wanted.base_url, "credential": credential}
    changes.upsert(ProviderConnection, label=f"provider {wanted.name}", key={"name": wanted.name}, values=values)


def apply_model(wanted: WantedModel, *, changes: Changes) -> None:
    if wanted.part:
        _free_part(wanted, changes=changes)
    values = {
        "upstream_name": wanted.upstream_name, "part": wanted.part, "context_tokens": wanted.context_tokens,
        "max_output_tokens": wanted.max_output_tokens, "capabilities": wanted.capabilities, "cap_parameter": wanted.cap_parameter,
        "retired_on": wanted.retired_on, "connection": ProviderConnection.objects.get(name=str(wanted.provider)),
    }  # fmt: skip
    changes.upsert(CatalogModel, label=f"model {wanted.name}", key={"name": wanted.name}, values=values)


def _free_part(wanted: WantedModel, *, changes: Changes) -> None:
    """A part is played by one model: whoever has it now gives it up."""
    for other in CatalogModel.objects.filter(part=wanted.part).exclude(name=str(wanted.name)):
        changes.update(other, label=f"model {other.name}", values={"part": ""})


def apply_tier(wanted: WantedTier, *, changes: Changes) -> None:
    tier = changes.upsert(Tier, label=f"tier {wanted.name}", key={"name": wanted.name}, values={"title": wanted.title})
    if wanted.policy is not None:
        _apply_policy(wanted.policy, tier=tier, changes=changes)


def _apply_policy(wanted: WantedPolicy, *, tier: Tier, changes: Changes) -> None:
    values = {
        "allowed_models": plain(wanted.allowed_models), "denied_models": plain(wanted.denied_models), "preset": plain(wanted.preset),
        "max_cost_nusd": wanted.max_cost, "max_steps": wanted.max_steps, "max_tokens": wanted.max_tokens, "min_quality": wanted.min_quality,
    }  # fmt: skip
    row = TierPolicy.objects.filter(tier=tier).first()
    if row is None:
        TierPolicy.objects.create(tier=tier, **values)
        changes.added(f"policy of the tier {tier.name}")
    else:
        changes.update(row, label=f"policy of the tier {tier.name}", values=values)


def compiled(wanted: WantedPreset, *, version: str) -> CascadePreset:
    """Return the engine's preset. Raises InvalidRequest that says what is wrong with it."""
    strategies = msgspec.to_builtins(wanted.strategies, enc_hook=str)
    definition = {"title": str(wanted.title), "baseline": str(wanted.baseline), "strategies": strategies}
    return preset_from_definition(definition, name=str(wanted.name), version=version)


def apply_preset(wanted: WantedPreset, *, changes: Changes) -> None:
    preset = Preset.objects.filter(name=str(wanted.name)).first()
    newest = preset.versions.order_by("-number").first() if preset else None
    number = newest.number + 1 if newest else 1
    target = compiled(wanted, version=str(number))
    if preset is None:
        preset = Preset.objects.create(name=str(wanted.name), title=str(wanted.title))
        changes.added(f"preset {preset.name}, version 1")
    elif newest is None or not _says(newest.definition, target):
        changes.changed(f"preset {preset.name}", [f"version {number} published"])
        changes.update(preset, label=f"preset {preset.name}", values={"title": str(wanted.title)})
    else:
        return
    PresetVersion.objects.create(preset=preset, number=number, definition=definition_of(target))


def definition_of(preset: CascadePreset) -> dict[str, Any]:
    """Return what is stored of a preset: everything but its name and version, defaults written out."""
    definition: dict[str, Any] = msgspec.to_builtins(preset)
    return {name: value for name, value in definition.items() if name not in ("name", "version")}


def _says(definition: Mapping[str, Any], preset: CascadePreset) -> bool:
    """Does a stored definition mean the same, whichever defaults it writes out?"""
    return preset_from_definition(definition, name=preset.name, version=preset.version) == preset


def apply_rule(wanted: WantedRule, *, changes: Changes) -> None:
    key = {"domain": wanted.domain, "phrase": wanted.phrase}
    label = f"domain rule {wanted.domain}: {wanted.phrase}"
    changes.upsert(DomainRule, label=label, key=key, values={"weight": wanted.weight, "is_enabled": wanted.enabled})
