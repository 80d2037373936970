"""From nothing to the first call: four steps, with the key filled in."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from billing.models import Budget
from cascade.models import CascadeRun, CatalogModel, ProviderConnection
from dashboards.access import may
from dashboards.navigation import first_page_of
from dashboards.screens.demos import offer_of
from dashboards.screens.runs import runs_for
from dashboards.shell import membership_of, show, show_part
from tenants import services
from tenants.models import ApiKey, Membership, Scope
from tenants.roles import Permission

PLACEHOLDER = "cfk_live_…"
MODEL = "production_ready"


def start(request: HttpRequest) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    secret = ""
    if request.method == "POST":
        # The secret is in this one answer and nowhere else: not in an address, a session or a log.
        key, secret = services.issue_key(
            name=f"start {now:%Y-%m-%d %H:%M}", scopes=[Scope.INVOKE, Scope.READ], expires_at=None, now=now, created_by=membership.user
        )
        messages.success(request, f"The key {key.name} is made. It is shown this once: copy it now.")
    done = _done(membership)
    if all(done.values()):
        _leave(membership, now=now)
    context: dict[str, Any] = {
        "secret": secret, "shown_key": secret or PLACEHOLDER, "has_keys": ApiKey.objects.filter(revoked_at=None).exists(),
        "base_url": request.build_absolute_uri("/v1"), "model": MODEL, "done": done, "first": done["first"],
        "may_set_budgets": may(membership, Permission.EDIT_BUDGETS), "may_set_providers": may(membership, Permission.EDIT_PROVIDERS),
        "may_leave": may(membership, Permission.EDIT_PROVIDERS),
        "offer": offer_of(request), "has_left": membership.tenant.started_at is not None,
    }  # fmt: skip
    response = show(request, "console/start.html", context, title="Start", now=now)
    response["cache-control"] = "no-store"
    return response


def later(request: HttpRequest) -> HttpResponseBase:
    """Take the page out of the menu, for everybody, before all of it is done."""
    membership = membership_of(request)
    permissions = frozenset(Permission(name) for name in membership.permissions)
    _leave(membership, now=timezone.now())
    messages.success(request, "Start has left the menu. Search for it with Ctrl K.")
    return redirect(first_page_of(permissions), tenant_slug=membership.tenant.slug)


def first_call(request: HttpRequest) -> HttpResponse:
    """The piece of the page that turns green; asked for every two seconds until it does."""
    return show_part(request, "console/start_first.html", {"first": _first_call(membership_of(request))})


def _done(membership: Membership) -> dict[str, Any]:
    """What of the steps is done: each has what shows it."""
    return {
        "provider": ProviderConnection.objects.filter(is_active=True).exists(), "models": CatalogModel.objects.exists(),
        "first": _first_call(membership), "budget": Budget.objects.filter(ended_at=None).exists(),
    }  # fmt: skip


def _leave(membership: Membership, *, now: datetime) -> None:
    tenant = membership.tenant
    if tenant.started_at is None:
        tenant.started_at = now
        tenant.save(update_fields=["started_at"])


def _first_call(membership: Membership) -> CascadeRun | None:
    return runs_for(membership).annotate(saved_nusd=F("baseline_nusd") - F("cost_nusd")).order_by("-started_at", "-id").first()
