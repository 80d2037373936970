"""One tier: what it binds, which models it may use and why not, the way its next call would take, and its end."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from billing.engine.budgets import BudgetScope
from billing.models import Budget
from cascade.route_preview import BLOCKED, preview_route
from cascade.tier_policies import policy_of
from dashboards.access import may
from dashboards.forms.tiers import RouteForm
from dashboards.resources import carry_out, told
from dashboards.screens.tiers import Tiers, source_of
from dashboards.screens.what_if import of_tier
from dashboards.shell import membership_of, show, show_part
from tenants.errors import Conflict
from tenants.models import EndUser, Tier
from tenants.roles import Permission
from tenants.services import delete_tier

RESOURCE = Tiers()
SHOWN_BUDGETS, SHOWN_TIERS = 20, 50


def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    tiers = list(RESOURCE.rows(membership=membership, now=now).order_by("name")[:SHOWN_TIERS])
    tier = next((tier for tier in tiers if tier.pk == pk), None) or get_object_or_404(RESOURCE.rows(membership=membership, now=now), pk=pk)
    policy = policy_of(tier)
    hidden = ("Name", "Title", "Allowed models", "Denied models")
    context = {
        "tier": tier, "tiers": tiers, "policy": policy, "source": source_of(tier), "is_default": membership.tenant.default_tier == tier.name,
        "facts": {name: said for name, said in RESOURCE.describe(tier).items() if name not in hidden},
        "budgets": Budget.objects.filter(scope=BudgetScope.TIER, subject=tier.name, ended_at=None)[:SHOWN_BUDGETS],
        "form": RouteForm(initial={name: field.initial for name, field in RouteForm.base_fields.items()}),
        "may_edit": may(membership, Permission.EDIT_TIERS),
        "what_if": of_tier(tier, min_quality=policy.min_quality) if may(membership, Permission.SEE_COSTS) else "", "min_quality": policy.min_quality,
    }  # fmt: skip
    return show(request, "console/tiers/one.html", context, title=RESOURCE.label(tier), now=now)


def preview(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say which way an imagined call of the tier would take. Nothing is held and nobody is asked."""
    now, tenant = timezone.now(), membership_of(request).tenant
    tier = get_object_or_404(Tier, pk=pk)
    form = RouteForm(request.GET)
    form.is_valid()
    said: dict[str, Any] = form.cleaned_data
    user = EndUser.objects.select_related("tier").filter(external_id=said["user"]).first() if said.get("user") else None
    found = preview_route(
        tenant=tenant, tier=tier.name, end_user=said.get("user") or "", domain=said.get("domain") or "general",
        complexity=said.get("complexity") or "moderate", prompt_bytes=said.get("prompt_bytes") or 1000, left_nusd=said.get("left"), now=now,
    )
    context = {
        "form": form, "tier": tier, "route": found, "user": user, "blocked": BLOCKED if user and user.is_blocked else "",
        "is_of_other_tier": user is not None and user.tier is not None and user.tier_id != tier.pk,
    }  # fmt: skip
    return show_part(request, "console/tiers/preview.html", context)


def delete(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    tier, slug = get_object_or_404(Tier.objects.select_for_update(), pk=pk), membership_of(request).tenant.slug
    try:
        carry_out(RESOURCE, verb="delete", before=RESOURCE.describe(tier), do=partial(_deleted, tier), membership=membership_of(request))
    except Conflict as wrong:
        messages.error(request, told(wrong))
        return redirect("tiers_one", slug, pk)
    messages.success(request, f"Deleted: {RESOURCE.label(tier)}. Its end users have no tier of their own now.")
    return redirect("tiers", slug)


def _deleted(tier: Tier) -> Tier:
    kept = tier.pk
    delete_tier(tier)
    tier.pk = kept  # whoever is told of it hears which one it was
    return tier
