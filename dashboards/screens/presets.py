"""Presets as the console shows them: the five built-in ones, and the tenant's own with their versions, draft and rollout."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from django.db.models import OuterRef, Subquery
from django.http import Http404
from msgspec import Struct

from cascade import run_reports
from cascade.engine.presets import BUILT_IN_PRESETS, DEFAULT_PRESET, CascadePreset, preset_from_definition
from cascade.engine.strategies import CascadeStep
from cascade.models import Preset, PresetDraft, PresetRollout, PresetVersion, TierPolicy
from cascade.publishing import definition_of
from cascade.run_reports import RunSums
from dashboards.resources import Resource

DAYS = 28


class ShownPreset(Struct, frozen=True, kw_only=True):
    """A preset with what it did. `row` is the tenant's own; the built-in ones have none."""

    content: CascadePreset
    row: Preset | None = None
    sums: RunSums = RunSums()
    tiers: Sequence[str] = ()
    """Whose policy names it."""
    has_draft: bool = False

    @property
    def name(self) -> str:
        return self.content.name

    @property
    def title(self) -> str:
        return self.row.title if self.row else self.content.title

    @property
    def path(self) -> str:
        """The steps of most domains as a line. Example: "draft → escalate"."""
        return " → ".join(step.name for step in self.content.steps_for("general"))

    @property
    def domains(self) -> Sequence[str]:
        return [strategy.domain for strategy in self.content.strategies]

    @property
    def is_default(self) -> bool:
        return self.name == DEFAULT_PRESET

    @property
    def as_json(self) -> str:
        return json_of(definition_of(self.content))


class Presets(Resource[Preset]):
    """What is told of a change of a preset. Its pages are its own (dashboards/views/presets.py)."""

    name, one, title = "presets", "preset", "Presets"

    def describe(self, row: Preset) -> Mapping[str, str]:
        newest = row.versions.order_by("-number").first()
        draft = PresetDraft.objects.filter(preset=row).first()
        return {
            "Name": row.name, "Title": row.title, "Version": str(newest.number) if newest else "none",
            "Note": newest.note if newest else "", "Draft": f"revision {draft.revision}" if draft else "none",
        }  # fmt: skip


class Rollouts(Resource[PresetRollout]):
    """What is told of a change of a rollout."""

    name, one, title = "presets", "rollout", "Rollouts"

    def describe(self, row: PresetRollout) -> Mapping[str, str]:
        return {"Preset": row.preset, "Share": f"{row.share} %", "Shadow": "yes" if row.shadow else "no"}


def all_presets(*, today: date) -> list[ShownPreset]:
    """Return the built-in presets and the tenant's own, with what they did in the last four weeks."""
    contents = contents_of_presets()
    sums = _sums(today=today)
    tiers, drafted = _tiers(), set(PresetDraft.objects.values_list("preset_id", flat=True))
    return [
        ShownPreset(
            row=row, content=content, sums=sums.get(content.name, RunSums()), tiers=tiers.get(content.name, ()),
            has_draft=row is not None and row.pk in drafted,
        )
        for row, content in contents
    ]  # fmt: skip


def contents_of_presets() -> list[tuple[Any, CascadePreset]]:
    """Return the built-in presets, without a row, and the tenant's own as they were published last."""
    newest = PresetVersion.objects.filter(preset=OuterRef("pk")).order_by("-number")[:1]
    rows = Preset.objects.annotate(number=Subquery(newest.values("number")), definition=Subquery(newest.values("definition")))
    return [*((None, preset) for preset in BUILT_IN_PRESETS.values()), *((row, _content(row)) for row in rows)]


def one_preset(name: str, *, today: date) -> ShownPreset:
    """Return a preset by its name. Raises Http404 for one that is neither built in nor the tenant's."""
    sums, tiers = _sums(today=today).get(name, RunSums()), _tiers().get(name, ())
    if name in BUILT_IN_PRESETS:
        return ShownPreset(content=BUILT_IN_PRESETS[name], sums=sums, tiers=tiers)
    row = own_preset(name)
    version = row.versions.order_by("-number").first()
    if version is None:
        raise Http404
    content = preset_from_definition(version.definition, name=name, version=str(version.number))
    return ShownPreset(row=row, content=content, sums=sums, tiers=tiers)


def own_preset(name: str) -> Preset:
    """Raises Http404 for a name that the tenant gave to none; a built-in one cannot be changed, so it counts as none."""
    row = Preset.objects.filter(name=name).first()
    if row is None or name in BUILT_IN_PRESETS:
        raise Http404
    return row


def content_of(definition: Mapping[str, Any], *, name: str) -> CascadePreset | None:
    """Return what a draft says, with its problems; None for one whose form nothing can read."""
    try:
        return msgspec.convert({**definition, "name": name, "version": "draft"}, CascadePreset, strict=True)
    except msgspec.ValidationError:
        return None


def json_of(definition: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(definition), indent=2).decode()


def facts_of(step: CascadeStep) -> str:
    """Return what decides a step, in words. Example: "@draft, judged by balanced, up to 60 s"."""
    judge = f"judged by {step.validator}" if step.validator else "" if step.kind == "check" else "taken as it comes"
    least = f"at least {step.threshold:g}" if step.threshold is not None else ""
    again = f"asked again {step.retries_on_quality} times" if step.retries_on_quality else ""
    cap = f"{step.max_tokens:,} tokens" if step.max_tokens else ""
    kind = "checks the answer" if step.kind == "check" else ""
    return ", ".join(filter(None, (" or ".join(step.models), kind, judge, least, again, cap, f"up to {step.timeout_s:g} s")))


def _content(row: Any) -> CascadePreset:
    return preset_from_definition(row.definition, name=row.name, version=str(row.number))


def _sums(*, today: date) -> Mapping[str, RunSums]:
    return run_reports.runs_by_preset(first=today - timedelta(days=DAYS - 1), last=today)


def _tiers() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for preset, tier in TierPolicy.objects.exclude(preset="").order_by("tier__name").values_list("preset", "tier__name"):
        found.setdefault(preset, []).append(tier)
    return found
