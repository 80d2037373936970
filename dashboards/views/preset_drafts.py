"""The draft of a preset: edited step by step, compared with what calls use, published or thrown away."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from cascade.drafting import DRAFT, compare, discard_draft, problems_of, publish_draft, save_draft, unknown_models
from cascade.engine.differences import Difference, differences
from cascade.models import CatalogModel, Preset, PresetDraft
from dashboards.access import may
from dashboards.forms.presets import EditorForm, PublishForm
from dashboards.resources import carry_out, told
from dashboards.screens.presets import Presets, content_of, json_of, own_preset
from dashboards.screens.what_if import of_preset
from dashboards.shell import membership_of, show
from dashboards.views.presets import actor_of, carried_out
from tenants.errors import Conflict
from tenants.roles import Permission

RESOURCE = Presets()


def edit(request: HttpRequest, preset: str) -> HttpResponseBase:
    """Save what is typed as the draft, whichever button is pressed: it decides no call before it is published."""
    row = own_preset(preset)
    draft = PresetDraft.objects.filter(preset=row).first()
    if request.method != "POST":
        newest = row.versions.order_by("-number").first()
        definition = draft.definition if draft else newest.definition if newest else {}
        return _editor(request, row, draft, EditorForm(content=content_of(definition, name=row.name)))
    form, problem = EditorForm(request.POST), ""
    if not form.is_valid():
        return _editor(request, row, draft, form, status=422)
    try:
        definition = form.definition(request.POST.get("do", ""))
        with transaction.atomic():
            do = partial(_saved, row, definition, _revision(request), actor_of(membership_of(request)))
            carry_out(RESOURCE, verb="draft", before=RESOURCE.describe(row), do=do, membership=membership_of(request))
        return redirect("presets_draft", membership_of(request).tenant.slug, preset)
    except Conflict:
        conflict = _since(form.definition(""), PresetDraft.objects.filter(preset=row).first(), name=row.name)
        return _editor(request, row, draft, form, conflict=conflict, status=409)
    except ValidationError as wrong:
        problem = told(wrong)
    return _editor(request, row, draft, form, problem=problem, status=422)


def publish(request: HttpRequest, preset: str) -> HttpResponseBase:
    row, form, slug = own_preset(preset), PublishForm(request.POST), membership_of(request).tenant.slug
    if not form.is_valid():
        messages.error(request, "Look at the draft before you publish it; a note has at most 500 characters.")
        return redirect("presets_draft", slug, preset)
    do = partial(_published, row, form.cleaned_data, actor_of(membership_of(request)))
    is_done = carried_out(request, row, "publish", do, done="Published: calls use it from now on.")
    return redirect("presets_one" if is_done else "presets_draft", slug, preset)


def discard(request: HttpRequest, preset: str) -> HttpResponseBase:
    row = own_preset(preset)
    carried_out(request, row, "discard", partial(_discarded, row, _revision(request)), done="The draft is thrown away.")
    return redirect("presets_one", membership_of(request).tenant.slug, preset)


def comparison(request: HttpRequest, preset: str) -> HttpResponse:
    """What differs between two versions, the draft among them; unless the address says, between what calls use and the draft."""
    row, problem, found = own_preset(preset), "", ()
    numbers = [str(number) for number in row.versions.order_by("-number").values_list("number", flat=True)[:200]]
    draft = PresetDraft.objects.filter(preset=row).exists()
    old, new = request.GET.get("old", "")[:20], request.GET.get("new", "")[:20]
    old = old or (numbers[0] if draft or len(numbers) < 2 else numbers[1])
    new = new or (DRAFT if draft else numbers[0])
    try:
        found = compare(preset=row, old=old, new=new)  # type: ignore[assignment]
    except Conflict as wrong:
        problem = told(wrong)
    choices = [*([DRAFT] if draft else []), *numbers]
    context = {"preset": row, "old": old, "new": new, "choices": choices, "differences": _lines(found), "problem": problem}
    return show(request, "console/presets/compare.html", context, title=f"Compare {row.name}", now=timezone.now())


def _editor(
    request: HttpRequest, row: Preset, draft: PresetDraft | None, form: EditorForm, *, conflict: Sequence[Any] = (), problem: str = "",
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    content = content_of(draft.definition, name=row.name) if draft and may(membership_of(request), Permission.SEE_COSTS) else None
    context = {
        "what_if": of_preset(content) if content else "",
        "base_url": request.build_absolute_uri("/v1"),
        "preset": row, "draft": draft, "form": form, "conflict": conflict, "is_conflict": status == 409, "problem": problem,
        "is_readable": bool(form.strategies) or form.is_bound, "revision": draft.revision if draft else 0,
        "problems": problems_of(draft) if draft else (), "unknown": unknown_models(draft) if draft else (),
        "json": json_of(draft.definition) if draft else "", "publish_form": PublishForm(initial={"revision": draft.revision}) if draft else None,
        "models": ["@draft", "@strong", "@checker", *CatalogModel.objects.values_list("name", flat=True)[:200]],
        "may_publish": may(membership_of(request), Permission.PUBLISH_PRESETS),
    }  # fmt: skip
    return show(request, "console/presets/draft.html", context, title=f"Draft of {row.name}", now=timezone.now(), status=status)


def _since(typed: dict[str, Any], theirs: PresetDraft | None, *, name: str) -> Sequence[Any]:
    """What somebody else's draft says otherwise than what is typed here."""
    mine, other = content_of(typed, name=name), content_of(theirs.definition, name=name) if theirs else None
    return _lines(differences(other, mine)) if mine and other else ()


def _lines(found: Sequence[Difference]) -> list[tuple[str, str, str]]:
    return [(one.path.replace(".", ", "), _told(one.old), _told(one.new)) for one in found]


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return json_of(value)
    return ", ".join(str(part) for part in value) if isinstance(value, list | tuple) else "" if value is None else str(value)


def _revision(request: HttpRequest) -> int:
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _saved(row: Preset, definition: dict[str, Any], revision: int, actor: str) -> Preset:
    return save_draft(preset=row, definition=definition, revision=revision, base=None, actor=actor).preset


def _published(row: Preset, said: dict[str, Any], actor: str) -> Preset:
    return publish_draft(preset=row, revision=said["revision"], note=said["note"], actor=actor).preset


def _discarded(row: Preset, revision: int) -> Preset:
    discard_draft(preset=row, revision=revision)
    return row
