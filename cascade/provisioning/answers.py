"""The rows that decide how calls are answered: connections, models, tiers, presets, domain rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.core.exceptions import ValidationError

from cascade.connections import change_connection
from cascade.engine.presets import preset_from_definition
from cascade.hook_changes import check_url, create_hook
from cascade.models import CatalogModel, DomainRule, EnforcementHook, Preset, ProviderConnection, TierPolicy
from cascade.provisioning.changes import Changes, difference, plain
from cascade.provisioning.document import (
    WantedHook,
    WantedModel,
    WantedPolicy,
    WantedPreset,
    WantedProvider,
    WantedRollout,
    WantedRule,
    WantedTier,
)
from cascade.provisioning.parse import InvalidFile, Problem
from cascade.publishing import checked_definition, create_preset, publish_version
from cascade.rollouts import rollout_of, set_rollout
from tenants.encryption import Secret
from tenants.errors import Conflict
from tenants.models import Tier
from tenants.signing import checked_secret

ACTOR = "provisioning file"


def apply_providers(wanted: Sequence[WantedProvider], *, environment: Mapping[str, str], changes: Changes) -> None:
    """Raises InvalidFile for what cannot be connected to, all of it at once."""
    problems: list[Problem] = []
    for provider in wanted:
        try:
            _apply_provider(provider, environment=environment, changes=changes)
        except ValidationError as wrong:
            problems += [Problem(provider.line, f"provider {provider.name}: {message}") for message in wrong.messages]
    if problems:
        raise InvalidFile(problems)


def _apply_provider(wanted: WantedProvider, *, environment: Mapping[str, str], changes: Changes) -> None:
    credential = Secret(environment[wanted.api_key_env]) if wanted.api_key_env else None
    values = {"provider": plain(wanted.provider), "base_url": plain(wanted.base_url), "credential": credential}
    given = {name: value for name, value in values.items() if value is not None}
    row = ProviderConnection.objects.filter(name=str(wanted.name)).first()
    if row is None:
        changes.added(f"provider {wanted.name}")
        change_connection(connection=ProviderConnection(name=str(wanted.name)), changes=given)
        return
    details = [difference(name, getattr(row, name), value) for name, value in given.items() if getattr(row, name) != value]
    if not details:
        return
    had_credential = bool(row.credential)
    change_connection(connection=row, changes=given)
    forgotten = ["its credential is forgotten: it was for the old address"] if had_credential and not row.credential else []
    changes.changed(f"provider {wanted.name}", [*details, *forgotten])


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
    values = {"title": wanted.title, "requests_per_minute": wanted.requests_per_minute, "tokens_per_minute": wanted.tokens_per_minute}
    tier = changes.upsert(Tier, label=f"tier {wanted.name}", key={"name": wanted.name}, values=values)
    if wanted.policy is not None:
        _apply_policy(wanted.policy, tier=tier, changes=changes)


def _apply_policy(wanted: WantedPolicy, *, tier: Tier, changes: Changes) -> None:
    values = {
        "allowed_models": plain(wanted.allowed_models), "denied_models": plain(wanted.denied_models), "fallback": plain(wanted.fallback),
        "preset": plain(wanted.preset),
        "max_cost_nusd": wanted.max_cost, "max_steps": wanted.max_steps, "max_tokens": wanted.max_tokens, "min_quality": wanted.min_quality,
    }  # fmt: skip
    row = TierPolicy.objects.filter(tier=tier).first()
    if row is None:
        TierPolicy.objects.create(tier=tier, **values)
        changes.added(f"policy of the tier {tier.name}")
    else:
        changes.update(row, label=f"policy of the tier {tier.name}", values=values)


def definition_in(wanted: WantedPreset) -> dict[str, Any]:
    """Return the definition as it is stored. Raises ValidationError that says which part is wrong."""
    strategies = msgspec.to_builtins(wanted.strategies, enc_hook=str)
    return checked_definition({"baseline": str(wanted.baseline), "strategies": strategies}, name=str(wanted.name))


def apply_preset(wanted: WantedPreset, *, changes: Changes) -> None:
    name, title, definition = str(wanted.name), str(wanted.title), definition_in(wanted)
    preset = Preset.objects.filter(name=name).first()
    if preset is None:
        create_preset(name=name, title=title, definition=definition, actor=ACTOR)
        changes.added(f"preset {name}, version 1")
        return
    changes.update(preset, label=f"preset {name}", values={"title": title})
    newest = preset.versions.order_by("-number").first()
    if newest is None or not _mean_the_same(newest.definition, definition):
        version = publish_version(preset=preset, definition=definition, actor=ACTOR)
        changes.changed(f"preset {name}", [f"version {version.number} published"])


def _mean_the_same(*definitions: Mapping[str, Any]) -> bool:
    """An older version may leave out what is a default."""
    first, second = (preset_from_definition(definition, name="", version="") for definition in definitions)
    return first == second


def apply_rollout(wanted: WantedRollout, *, changes: Changes) -> None:
    """Raises InvalidFile where nobody would be left to shadow."""
    now = rollout_of(str(wanted.preset))
    values = {"share": wanted.share, "shadow": wanted.shadow}
    details = [difference(name, getattr(now, name), value) for name, value in values.items() if value is not None and getattr(now, name) != value]
    if not details:
        return
    try:
        set_rollout(preset=str(wanted.preset), share=wanted.share, shadow=wanted.shadow, actor=ACTOR)
    except ValidationError as wrong:
        raise InvalidFile([Problem(wanted.line, f"rollout of {wanted.preset}: {message}") for message in wrong.messages]) from wrong
    changes.changed(f"rollout of {wanted.preset}", details)


def apply_rule(wanted: WantedRule, *, changes: Changes) -> None:
    key = {"domain": wanted.domain, "phrase": wanted.phrase}
    label = f"domain rule {wanted.domain}: {wanted.phrase}"
    changes.upsert(DomainRule, label=label, key=key, values={"weight": wanted.weight, "is_enabled": wanted.enabled})


def apply_hooks(wanted: Sequence[WantedHook], *, environment: Mapping[str, str], changes: Changes) -> None:
    """Another secret takes the place of the old one at once: say it to the receiver first. Raises InvalidFile for what cannot be asked."""
    problems: list[Problem] = []
    for hook in wanted:
        try:
            _apply_hook(hook, secret=environment[hook.secret_env], changes=changes)
        except (ValidationError, Conflict) as wrong:
            words = wrong.messages if isinstance(wrong, ValidationError) else [str(wrong)]
            problems += [Problem(hook.line, f"enforcement hook {hook.name}: {message}") for message in words]
    if problems:
        raise InvalidFile(problems)


def _apply_hook(wanted: WantedHook, *, secret: str, changes: Changes) -> None:
    values = {"url": plain(wanted.url), "timeout_ms": wanted.timeout_ms, "tiers": plain(wanted.tiers)}
    given = {name: value for name, value in values.items() if value is not None}
    row = EnforcementHook.objects.filter(name=str(wanted.name)).first()
    if row is None:
        create_hook(secret=secret, values={"name": str(wanted.name), **given})
        changes.added(f"enforcement hook {wanted.name}")
        return
    check_url(str(wanted.url))
    changes.update(row, label=f"enforcement hook {wanted.name}", values={**given, "secret": Secret(checked_secret(secret))})
