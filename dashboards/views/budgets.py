"""Pages of budgets beside the list and the form: whom one would have hit, another limit for a while, and its end."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing import services
from billing.models import Budget
from dashboards.forms.budgets import OverrideForm
from dashboards.resources import carry_out, told
from dashboards.screens.budget_previews import runs_of
from dashboards.screens.budgets import Budgets
from dashboards.shell import membership_of, show_part
from tenants.errors import Conflict

RESOURCE = Budgets()


def preview(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Say what the form would change, and whom the budget would have hit in the last four weeks. Nothing is saved."""
    membership = membership_of(request)
    budget = get_object_or_404(Budget, pk=pk, ended_at=None) if pk else None
    form = RESOURCE.form(request.GET, row=budget, membership=membership)
    if not form.is_valid():
        return show_part(request, "console/budgets/preview.html", {"is_incomplete": True})
    context = RESOURCE.preview_at_once(form, row=budget, membership=membership, now=timezone.now())
    if "whole" not in request.GET:  # of the panel, which asks what the budget does as it is
        context = {name: value for name, value in context.items() if name != "differences"}
    return show_part(request, "console/budgets/preview.html", {**context, "runs_of": f"{request.path}runs/?{request.GET.urlencode()}"})


def preview_runs(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Say how many runs of last week the budget would have had no room for: a piece of the preview."""
    membership = membership_of(request)
    budget = get_object_or_404(Budget, pk=pk, ended_at=None) if pk else None
    form = RESOURCE.form(request.GET, row=budget, membership=membership)
    context = runs_of(form, budget=budget, tenant=membership.tenant, now=timezone.now()) if form.is_valid() else {}
    return show_part(request, "console/budgets/runs.html", context)


def override(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Let another limit take the budget's place for some hours, or end that at once."""
    budget, now = _locked(pk), timezone.now()
    form = OverrideForm(request.POST)
    if "end" in request.POST:
        return _change(request, budget, {"override_limit_nusd": None, "override_until": None}, done="The override is over.")
    if not form.is_valid():
        messages.error(request, f"No override: {' '.join(str(error) for errors in form.errors.values() for error in errors)}")
        return redirect(_panel_of(request, budget))
    changes = {"override_limit_nusd": form.cleaned_data["limit"], "override_until": form.until(now)}
    return _change(request, budget, changes, done=f"The limit is overridden for {form.cleaned_data['hours']} h.")


def pause(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Let the budget limit nothing for now, or resume it."""
    budget = _locked(pk)
    paused = not budget.is_paused
    return _change(request, budget, {"is_paused": paused}, done="Paused: it limits nothing now." if paused else "Resumed.")


def end(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Delete a budget: it limits nothing from now on, and its windows stay as history."""
    budget, now = _locked(pk), timezone.now()
    do = partial(services.end_budget, budget=budget, now=now)
    carry_out(RESOURCE, verb="end", before=RESOURCE.describe(budget), do=do, membership=membership_of(request))
    messages.success(request, f"{RESOURCE.label(budget)} is ended: it limits nothing any more.")
    return redirect(reverse("budgets", args=[membership_of(request).tenant.slug]))


def _locked(pk: UUID) -> Budget:
    return get_object_or_404(Budget.objects.select_for_update(), pk=pk, ended_at=None)


def _change(request: HttpRequest, budget: Budget, changes: dict[str, Any], *, done: str) -> HttpResponseBase:
    before = RESOURCE.describe(budget)
    try:
        do = partial(services.change_budget, budget=budget, changes=changes)
        carry_out(RESOURCE, verb="change", before=before, do=do, membership=membership_of(request))
        messages.success(request, done)
    except (ValidationError, Conflict) as wrong:
        messages.error(request, told(wrong))
    return redirect(_panel_of(request, budget))


def _panel_of(request: HttpRequest, budget: Budget) -> str:
    return f"{reverse('budgets', args=[membership_of(request).tenant.slug])}?sel={budget.pk}"
