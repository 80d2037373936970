"""Presets of a tenant's own: made, and published as versions that are never edited."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Max

from cascade.engine.errors import InvalidRequest
from cascade.engine.presets import BUILT_IN_PRESETS, CascadePreset, preset_from_definition
from cascade.models import Preset, PresetVersion
from tenants.errors import Conflict
from tenants.models import slug_rule

OUTSIDE_DEFINITION = ("name", "version", "title")
MOST_STEPS, MOST_SECONDS, MOST_TOKENS = 8, 600, 2**31 - 1


def create_preset(*, name: str, title: str, definition: Mapping[str, Any]) -> PresetVersion:
    """Make a preset and publish its first version. Raises Conflict for a name that is taken, ValidationError for a bad definition."""
    if name in BUILT_IN_PRESETS:
        raise Conflict(f"{name!r} is a built-in preset: choose another name.", code="name_taken")
    if Preset.objects.filter(name=name).exists():
        raise Conflict(f"There is a preset {name!r} already: publish a version of it, or choose another name.", code="name_taken")
    stored = checked_definition(definition, name=name)
    preset = Preset.objects.create(name=name, title=title)
    return PresetVersion.objects.create(preset=preset, number=1, definition=stored)


def publish_version(*, preset: Preset, definition: Mapping[str, Any]) -> PresetVersion:
    """Publish the next version; calls use it from now on. Raises ValidationError for a bad definition."""
    stored = checked_definition(definition, name=preset.name)
    Preset.objects.select_for_update(no_key=True).get(pk=preset.pk)  # so that two at once get two numbers
    newest = preset.versions.aggregate(number=Max("number"))["number"] or 0
    return PresetVersion.objects.create(preset=preset, number=newest + 1, definition=stored)


def definition_of(preset: CascadePreset) -> dict[str, Any]:
    """Return the definition as it is stored and shown: whole, so that later defaults do not change what was published."""
    return {key: value for key, value in msgspec.to_builtins(preset).items() if key not in OUTSIDE_DEFINITION}


def checked_definition(definition: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return a definition in the form it is stored in. Raises ValidationError that says which part is wrong."""
    outside = [key for key in OUTSIDE_DEFINITION if key in definition]
    if outside:
        raise ValidationError({"definition": f"Leave {', '.join(outside)} out of the definition: the preset has them beside it."})
    try:
        preset = preset_from_definition(definition, name=name, version="1")
    except InvalidRequest as wrong:
        raise ValidationError({"definition": wrong.message}) from wrong
    problem = next(_problems(preset), None)
    if problem:
        raise ValidationError({"definition": problem})
    return definition_of(preset)


def _problems(preset: CascadePreset) -> Any:
    for strategy in preset.strategies:
        try:
            slug_rule(strategy.domain)
        except ValidationError as wrong:
            yield f"The domain {strategy.domain[:64]!r} is no name: {wrong.messages[0]}"
        if len(strategy.steps) > MOST_STEPS:
            yield f"The strategy for {strategy.domain!r} has {len(strategy.steps)} steps; {MOST_STEPS} are the most."
        for step in strategy.steps:
            if not (math.isfinite(step.timeout_s) and 0 < step.timeout_s <= MOST_SECONDS):
                yield f"The timeout_s of {step.name[:64]!r} must be more than 0 and at most {MOST_SECONDS}."
            if step.max_tokens is not None and not 1 <= step.max_tokens <= MOST_TOKENS:
                yield f"The max_tokens of {step.name[:64]!r} must be at least 1."
            if not 1 <= len(step.name) <= 64:
                yield "The name of a step has 1 to 64 characters."
