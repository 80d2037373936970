"""Pages of domain rules beside list and form: a prompt tried, labelled prompts tried, and the end of a rule. Nothing typed is kept."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from cascade.config import detector_of
from cascade.domain_rules import delete_rule
from cascade.engine.domain_reading import confusion_of, marked, read_domain
from cascade.engine.domains import words_of
from cascade.models import DomainRule
from cascade.rule_replay import DAYS, MOST_RUNS, replay_rule
from dashboards.access import may
from dashboards.forms.rules import BatchForm, PromptForm, RuleForm
from dashboards.imports import text_of
from dashboards.resources import carry_out, told
from dashboards.screens.rules import BUILT_IN_WEIGHTS, Rules
from dashboards.shell import is_part, membership_of, show, show_part, show_piece
from tenants.roles import Permission

RESOURCE = Rules()
SHOWN_EVIDENCE, SHOWN_MISSES = 60, 50


def test(request: HttpRequest) -> HttpResponse:
    """Say what a prompt is about, and why."""
    form = PromptForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"prompt_form": form}
    if form.is_valid():
        context |= _read(request, form.cleaned_data["prompt"])
    return _answer(request, "console/rules/reading.html", context, status=422 if form.errors else 200)


def batch(request: HttpRequest) -> HttpResponse:
    """Say how many of some labelled prompts are read as their label says."""
    form = _batch_form(request)
    context: dict[str, Any] = {"batch_form": form}
    if form.is_valid():
        detector = detector_of(DomainRule.objects.all())
        found = [(label, prompt, detector.detect(prompt)) for label, prompt in form.cleaned_data["pairs"]]
        misses = [{"label": label, "prompt": prompt[:160], "match": match} for label, prompt, match in found if label != match.domain]
        context |= {
            "confusion": confusion_of([(label, match.domain) for label, _, match in found]), "misses": misses[:SHOWN_MISSES],
            "hidden": max(0, len(misses) - SHOWN_MISSES),
        }  # fmt: skip
    return _answer(request, "console/rules/confusion.html", context, status=422 if form.errors else 200)


def _batch_form(request: HttpRequest) -> BatchForm:
    """What was pasted, or what stands in the file."""
    given = request.FILES.get("file")
    if request.method != "POST" or given is None:
        return BatchForm(request.POST if request.method == "POST" else None)
    try:
        return BatchForm({"lines": text_of(given.read())})
    except ValidationError as wrong:
        form = BatchForm({})
        form.errors.clear()
        form.add_error(None, told(wrong))
        return form


def replay(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say which runs of the last days would have been read otherwise, were the rule saved so. Nothing is saved."""
    now, membership, rule = timezone.now(), membership_of(request), get_object_or_404(DomainRule, pk=pk)
    form = RuleForm(request.GET if request.GET else None, rule=rule)
    context: dict[str, Any] = {"form": form, "row": rule, "days": DAYS, "most": MOST_RUNS, "sees_costs": may(membership, Permission.SEE_COSTS)}
    if form.is_valid():
        said = form.cleaned_data
        weight = said["weight"] if said["is_enabled"] else 0.0
        context |= {
            "is_other_phrase": words_of(said["phrase"]) != words_of(rule.phrase),
            "replay": replay_rule(rule, domain=said["domain"], weight=weight, zone=membership.tenant.time_zone, now=now),
        }  # fmt: skip
    part, page = "console/rules/replay.html", "console/rules/replay_page.html"
    return show_piece(request, part, page, context, title="What would change?", now=now, status=422 if form.errors else 200)


def delete(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    rule = get_object_or_404(DomainRule.objects.select_for_update(), pk=pk)
    before, kept = RESOURCE.describe(rule), rule.pk
    carry_out(RESOURCE, verb="delete", before=before, do=partial(_deleted, rule, kept), membership=membership_of(request))
    messages.success(request, f"Deleted: {rule.phrase} no longer speaks for {rule.domain}.")
    return redirect("rules", membership_of(request).tenant.slug)


def _deleted(rule: DomainRule, pk: UUID) -> DomainRule:
    delete_rule(rule)
    rule.pk = pk  # whoever is told of it hears which one it was
    return rule


def _read(request: HttpRequest, prompt: str) -> dict[str, Any]:
    own = list(DomainRule.objects.all())
    reading = read_domain(prompt, detector=detector_of(own))
    by_phrase = {(rule.domain, " ".join(words_of(rule.phrase))): rule for rule in own}
    evidence = [
        {
            "domain": domain, "what": what, "weight": weight, "rule": by_phrase.get((domain, what)),
            "is_built_in": (domain, what) in BUILT_IN_WEIGHTS and (domain, what) not in by_phrase,
        }
        for domain, what, weight in reading.evidence[:SHOWN_EVIDENCE]
    ]  # fmt: skip
    return {
        "reading": reading, "evidence": evidence, "hidden": max(0, len(reading.evidence) - SHOWN_EVIDENCE),
        "pieces": marked(prompt, {what for _, what, _ in reading.evidence}), "may_edit": may(membership_of(request), Permission.EDIT_RULES),
    }  # fmt: skip


def _answer(request: HttpRequest, part: str, context: dict[str, Any], *, status: int) -> HttpResponse:
    """The piece of the page for htmx, which takes what is refused too; without a script a page of its own."""
    if is_part(request):
        return show_part(request, part, context)  # with 200: a refusal of what was typed is a piece of the page too
    forms = {"prompt_form": PromptForm(), "batch_form": BatchForm()}
    return show(request, "console/rules/test.html", {**forms, **context, "part": part}, title="Try domain rules", now=timezone.now(), status=status)
