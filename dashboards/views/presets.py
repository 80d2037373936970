"""Presets: all of them, one with its versions and figures, a copy of one's own, and how far one is rolled out."""

from datetime import timedelta
from functools import partial

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from billing import reports
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.models import Preset, PresetDraft
from cascade.publishing import create_preset, definition_of, roll_back
from cascade.rollouts import rollout_of, rollout_report, set_rollout
from dashboards.access import may
from dashboards.forms.presets import CopyForm, RollBackForm, RolloutForm
from dashboards.resources import carry_out, told
from dashboards.screens.presets import DAYS, Presets, Rollouts, all_presets, facts_of, one_preset, own_preset
from dashboards.screens.what_if import of_preset
from dashboards.shell import membership_of, show, show_part
from tenants.errors import Conflict
from tenants.models import Membership
from tenants.roles import Permission

RESOURCE, ROLLOUTS = Presets(), Rollouts()
SHOWN_VERSIONS, ROLLOUT_DAYS = 50, 7


def listing(request: HttpRequest) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    presets = all_presets(today=reports.today_of(time_zone=membership.tenant.time_zone, now=now))
    context = {"own": [one for one in presets if one.row], "built_in": [one for one in presets if not one.row], "days": DAYS, **_rights(membership)}
    return show(request, "console/presets/list.html", context, title="Presets", now=now)


def one(request: HttpRequest, preset: str) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    shown = one_preset(preset, today=reports.today_of(time_zone=membership.tenant.time_zone, now=now))
    row = shown.row
    context = {
        "preset": shown, "days": DAYS, "base_url": request.build_absolute_uri("/v1"), **_rights(membership),
        "strategies": [(one.domain, [(step, facts_of(step)) for step in one.steps]) for one in shown.content.strategies],
        "versions": row.versions.order_by("-number")[:SHOWN_VERSIONS] if row else (),
        "draft": PresetDraft.objects.filter(preset=row).first() if row else None,
        "what_if": of_preset(shown.content) if may(membership, Permission.SEE_COSTS) else "",
    }  # fmt: skip
    return show(request, "console/presets/one.html", context, title=shown.name, now=now)


def copy(request: HttpRequest, preset: str) -> HttpResponseBase:
    """Make a preset of one's own that begins as another is now."""
    now, membership = timezone.now(), membership_of(request)
    origin = one_preset(preset, today=now.date())
    form = CopyForm(request.POST if request.method == "POST" else None, initial={"name": f"my_{origin.name}"[:64], "title": origin.title})
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                do = partial(_copied, form, definition_of(origin.content), actor_of(membership))
                made = carry_out(RESOURCE, verb="create", before={}, do=do, membership=membership)
            messages.success(request, f"{made.name} is made, as version 1. Edit it as a draft.")
            return redirect("presets_one", membership.tenant.slug, made.name)
        except (ValidationError, Conflict) as wrong:
            form.add_error(None, told(wrong))
    context = {"form": form, "origin": origin}
    return show(request, "console/presets/copy.html", context, title=f"Copy {origin.name}", now=now, status=422 if form.errors else 200)


def rollback(request: HttpRequest, preset: str) -> HttpResponseBase:
    """Publish what an older version says as the next one."""
    row, membership, form = own_preset(preset), membership_of(request), RollBackForm(request.POST)
    if form.is_valid():
        do = partial(_rolled_back, row, form.cleaned_data, actor_of(membership))
        carried_out(request, row, "roll back", do, done=f"Version {form.cleaned_data['to']} is back, as the newest: calls use it from now on.")
    else:
        messages.error(request, "Say which version is wanted back.")
    return redirect("presets_one", membership.tenant.slug, preset)


def rollout(request: HttpRequest, preset: str) -> HttpResponseBase:
    """How far a preset goes, and what each side came to: a piece of its page. What is sent changes it."""
    now, membership = timezone.now(), membership_of(request)
    if preset not in BUILT_IN_PRESETS:
        own_preset(preset)
    row = rollout_of(preset)
    if request.method == "POST":
        form = RolloutForm(request.POST)
        try:
            if not form.is_valid():
                raise ValidationError("The share is a whole percentage from 0 to 100.")
            with transaction.atomic():
                do = partial(set_rollout, preset=preset, **form.cleaned_data, actor=actor_of(membership))
                carry_out(ROLLOUTS, verb="change", before=ROLLOUTS.describe(row), do=do, membership=membership)
            messages.success(request, f"{preset} serves {form.cleaned_data['share']} % of the end users from the next calls on.")
        except ValidationError as wrong:
            messages.error(request, told(wrong))
        return redirect("presets_one", membership.tenant.slug, preset)
    report = rollout_report(preset=preset, since=now - timedelta(days=ROLLOUT_DAYS), until=now)
    context = {
        "name": preset, "row": row, "report": report, "days": ROLLOUT_DAYS, "form": RolloutForm(initial={"share": row.share, "shadow": row.shadow}),
        **_rights(membership),
    }  # fmt: skip
    return show_part(request, "console/presets/rollout.html", context)


def carried_out(request: HttpRequest, row: Preset, verb: str, do: partial[Preset], *, done: str) -> bool:
    """Change a preset, and say how it went."""
    try:
        with transaction.atomic():
            carry_out(RESOURCE, verb=verb, before=RESOURCE.describe(row), do=do, membership=membership_of(request))
    except (ValidationError, Conflict) as wrong:
        messages.error(request, told(wrong))
        return False
    messages.success(request, done)
    return True


def actor_of(membership: Membership) -> str:
    return membership.user.name or membership.user.email


def _copied(form: CopyForm, definition: dict[str, object], actor: str) -> Preset:
    return create_preset(name=form.cleaned_data["name"], title=form.cleaned_data["title"], definition=definition, actor=actor).preset


def _rolled_back(row: Preset, said: dict[str, object], actor: str) -> Preset:
    return roll_back(preset=row, **said, actor=actor).preset  # type: ignore[arg-type]


def _rights(membership: Membership) -> dict[str, bool]:
    return {"may_draft": may(membership, Permission.DRAFT_PRESETS), "may_publish": may(membership, Permission.PUBLISH_PRESETS)}
