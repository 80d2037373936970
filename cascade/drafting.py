"""The next version of a preset while it is written: saved unpublished, validated, compared, then published or thrown away."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from cascade.engine.differences import Difference, differences
from cascade.engine.presets import CascadePreset, preset_from_definition
from cascade.engine.providers.aliases import aliases_among
from cascade.models import CatalogModel, Preset, PresetDraft, PresetVersion
from cascade.publishing import check_size, checked_definition, lock, publish_version, version_of
from tenants.errors import Conflict

DRAFT = "draft"
PARTS = ("@draft", "@strong", "@checker")


def draft_of(preset: Preset) -> PresetDraft:
    """Return the draft. Raises Conflict where there is none."""
    found = PresetDraft.objects.filter(preset=preset).first()
    if found is None:
        raise Conflict(f"{preset.name!r} has no draft: PATCH presets/{preset.name}/draft/ with a definition begins one.", code="no_draft")
    return found


def save_draft(*, preset: Preset, definition: Mapping[str, Any], revision: int, base: int | None, actor: str) -> PresetDraft:
    """Begin a draft, or change the one there is. A definition with problems may be saved: it is work under way.

    `revision` is the one that its author has seen, 0 for none: Conflict where somebody else saved since. `base` is the version that the
    draft was last compared with; a new draft begins from the newest.
    """
    check_size(definition)
    newest = lock(preset)
    if base is not None and not 1 <= base <= newest:
        raise ValidationError({"base": f"The versions of {preset.name!r} are 1 to {newest}."})
    draft = PresetDraft.objects.filter(preset=preset).first()
    _check_revision(preset, draft, revision)
    if draft is None:
        return PresetDraft.objects.create(preset=preset, definition=dict(definition), base=base or newest, changed_by=actor)
    draft.definition, draft.base, draft.revision, draft.changed_by = dict(definition), base or draft.base, revision + 1, actor
    draft.save()
    return draft


def discard_draft(*, preset: Preset, revision: int) -> None:
    """Throw the draft away. Raises Conflict where somebody else saved since `revision`."""
    lock(preset)
    draft = draft_of(preset)
    _check_revision(preset, draft, revision)
    draft.delete()


def publish_draft(*, preset: Preset, revision: int, actor: str, note: str = "") -> PresetVersion:
    """Publish the draft as the next version, and be done with it.

    Raises Conflict where somebody else saved since `revision`, or published since the draft's `base`; ValidationError for its problems.
    """
    lock(preset)
    draft = draft_of(preset)
    _check_revision(preset, draft, revision)
    published = publish_version(preset=preset, definition=draft.definition, actor=actor, note=note, expected=draft.base)
    draft.delete()
    return published


def problems_of(draft: PresetDraft) -> Sequence[str]:
    """Return what stands in the way of publishing, in words."""
    try:
        checked_definition(draft.definition, name=draft.preset.name)
    except ValidationError as wrong:
        return wrong.messages
    return ()


def unknown_models(draft: PresetDraft) -> Sequence[str]:
    """Return the models that a valid draft names and the tenant does not have: their steps would be left out."""
    if problems_of(draft):
        return ()
    preset = preset_from_definition(draft.definition, name=draft.preset.name, version=DRAFT)
    named = [preset.baseline, *(name for strategy in preset.strategies for step in strategy.steps for name in step.models)]
    places = [(row.name, row.place[1]) for row in CatalogModel.objects.select_related("connection")]
    return sorted(set(named) - {*PARTS, *aliases_among(places), *(name for name, _ in places)})


def compare(*, preset: Preset, old: str, new: str) -> Sequence[Difference]:
    """Return what differs between two versions, each a number or "draft". Raises Conflict where one is none."""
    return differences(_content(preset, old), _content(preset, new))


def _content(preset: Preset, which: str) -> CascadePreset:
    if which != DRAFT:
        number = int(which) if which.isascii() and which.isdecimal() and len(which) < 10 else 0
        return preset_from_definition(version_of(preset, number).definition, name=preset.name, version=which)
    draft = draft_of(preset)
    problems = problems_of(draft)
    if problems:
        raise Conflict(f"The draft cannot be compared before it is mended: {' '.join(problems)}", code="draft_invalid")
    return preset_from_definition(checked_definition(draft.definition, name=preset.name), name=preset.name, version=which)


def _check_revision(preset: Preset, draft: PresetDraft | None, revision: int) -> None:
    now = draft.revision if draft else 0
    if revision != now:
        there = f"the draft of {preset.name!r} is at revision {now}" if draft else f"{preset.name!r} has no draft (revision 0)"
        raise Conflict(f"Not saved: {there}, not {revision}. GET presets/{preset.name}/draft/ shows what somebody else wrote.", code="draft_changed")
