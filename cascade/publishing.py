"""Presets of a tenant's own: made, and published as versions that are never edited."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Max

from cascade.engine.errors import InvalidRequest
from cascade.engine.presets import BUILT_IN_PRESETS, CascadePreset, preset_from_definition
from cascade.engine.strategies import CascadeStep, DomainCascadeStrategy
from cascade.models import Preset, PresetVersion
from tenants.errors import Conflict
from tenants.models import slug_rule

OUTSIDE_DEFINITION = ("name", "version", "title")
MOST_STEPS, MOST_SECONDS, MOST_TOKENS, MOST_BYTES = 8, 600, 2**31 - 1, 100_000


def create_preset(*, name: str, title: str, definition: Mapping[str, Any], actor: str = "") -> PresetVersion:
    """Make a preset and publish its first version. Raises Conflict for a name that is taken, ValidationError for a bad definition."""
    if name in BUILT_IN_PRESETS:
        raise Conflict(f"{name!r} is a built-in preset: choose another name.", code="name_taken")
    if Preset.objects.filter(name=name).exists():
        raise Conflict(f"There is a preset {name!r} already: publish a version of it, or choose another name.", code="name_taken")
    stored = checked_definition(definition, name=name)
    preset = Preset.objects.create(name=name, title=title)
    return PresetVersion.objects.create(preset=preset, number=1, definition=stored, published_by=actor)


def publish_version(
    *, preset: Preset, definition: Mapping[str, Any], actor: str = "", note: str = "", expected: int | None = None, restores: int | None = None
) -> PresetVersion:
    """Publish the next version; calls use it from now on. Raises ValidationError for a bad definition.

    `expected` is the version that its author believes to be the newest: Conflict where another came since, so that nobody's work is undone.
    """
    stored = checked_definition(definition, name=preset.name)
    newest = lock(preset)
    if expected is not None and expected != newest:
        raise Conflict(
            f"Version {newest} of {preset.name!r} is the newest, not {expected}: look at what changed (GET presets/{preset.name}/compare/), and "
            f"publish again expecting {newest}.", code="version_changed",
        )  # fmt: skip
    return PresetVersion.objects.create(
        preset=preset, number=newest + 1, definition=stored, published_by=actor, note=note, restores=restores
    )


def roll_back(*, preset: Preset, to: int, actor: str = "", note: str = "", expected: int | None = None) -> PresetVersion:
    """Publish the content of an older version as the next one: what was published in between stays as it is.

    Raises Conflict where there is no such version, or where it is the newest one already.
    """
    newest = lock(preset)
    wanted = version_of(preset, to)
    if to == newest:
        raise Conflict(f"Version {to} is the one that calls use: there is nothing to roll back.", code="is_newest")
    return publish_version(preset=preset, definition=wanted.definition, actor=actor, note=note, expected=expected, restores=to)


def version_of(preset: Preset, number: int) -> PresetVersion:
    """Return one version. Raises Conflict that says which there are."""
    found = preset.versions.filter(number=number).first()
    if found is None:
        newest = preset.versions.aggregate(number=Max("number"))["number"] or 0
        raise Conflict(f"{preset.name!r} has no version {number}: its versions are 1 to {newest}.", code="no_such_version")
    return found


def lock(preset: Preset) -> int:
    """Make whoever else publishes wait, and return the number of the newest version."""
    Preset.objects.select_for_update(no_key=True).get(pk=preset.pk)
    return preset.versions.aggregate(number=Max("number"))["number"] or 0


def definition_of(preset: CascadePreset) -> dict[str, Any]:
    """Return the definition as it is stored and shown: whole, so that later defaults do not change what was published."""
    return {key: value for key, value in msgspec.to_builtins(preset).items() if key not in OUTSIDE_DEFINITION}


def checked_definition(definition: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return a definition in the form it is stored in. Raises ValidationError that says what is wrong, all of it where it can be read."""
    outside = [key for key in OUTSIDE_DEFINITION if key in definition]
    if outside:
        raise ValidationError({"definition": f"Leave {', '.join(outside)} out of the definition: the preset has them beside it."})
    check_size(definition)
    try:
        preset = preset_from_definition(definition, name=name, version="1")
    except InvalidRequest as wrong:
        raise ValidationError({"definition": wrong.message}) from wrong
    problems = [*_problems(preset)]
    if problems:
        raise ValidationError({"definition": problems})
    return definition_of(preset)


def check_size(definition: Mapping[str, Any]) -> None:
    """Raises ValidationError for more than people write."""
    if len(msgspec.json.encode(definition)) > MOST_BYTES:
        raise ValidationError({"definition": f"A definition has at most {MOST_BYTES:,} bytes."})


def _problems(preset: CascadePreset) -> Iterator[str]:
    if not 1 <= len(preset.baseline) <= 200:
        yield "The baseline is the name of a model, of 1 to 200 characters, or \"@strong\"."
    for strategy in preset.strategies:
        yield from _of_strategy(strategy)
        for step in strategy.steps:
            yield from _of_step(step)


def _of_strategy(strategy: DomainCascadeStrategy) -> Iterator[str]:
    try:
        slug_rule(strategy.domain)
    except ValidationError as wrong:
        yield f"The domain {strategy.domain[:64]!r} is no name: {wrong.messages[0]}"
    steps = len(strategy.steps) + sum(max(step.retries_on_quality, 0) for step in strategy.steps)
    if steps > MOST_STEPS:
        yield f"The strategy for {strategy.domain[:64]!r} has {steps} steps, its retries counted; {MOST_STEPS} are the most."
    names = [step.name for step in strategy.steps]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        yield f"The strategy for {strategy.domain[:64]!r} has two steps called {twice[:64]!r}: nobody could tell them apart."


def _of_step(step: CascadeStep) -> Iterator[str]:
    if not (math.isfinite(step.timeout_s) and 0 < step.timeout_s <= MOST_SECONDS):
        yield f"The timeout_s of {step.name[:64]!r} must be more than 0 and at most {MOST_SECONDS}."
    if step.max_tokens is not None and not 1 <= step.max_tokens <= MOST_TOKENS:
        yield f"The max_tokens of {step.name[:64]!r} must be at least 1."
    if step.retries_on_quality < 0:
        yield f"The retries_on_quality of {step.name[:64]!r} must be 0 or more."
    if step.retries_on_quality and (step.kind == "check" or step.validator is None):
        yield f"The step {step.name[:64]!r} is not judged, so it has nothing to retry: leave retries_on_quality out, or give it a validator."
    if not 1 <= len(step.name) <= 64:
        yield "The name of a step has 1 to 64 characters."
