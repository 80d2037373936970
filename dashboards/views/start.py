"""From nothing to the first call: four steps, with the key filled in."""

from typing import Any

from django.contrib import messages
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import Budget
from cascade.models import CascadeRun, CatalogModel, ProviderConnection
from dashboards.access import may
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
    context: dict[str, Any] = {
        "secret": secret, "shown_key": secret or PLACEHOLDER, "has_keys": ApiKey.objects.filter(revoked_at=None).exists(),
        "base_url": request.build_absolute_uri("/v1"), "model": MODEL, "has_provider": ProviderConnection.objects.filter(is_active=True).exists(),
        "has_models": CatalogModel.objects.exists(), "has_budget": Budget.objects.filter(ended_at=None).exists(), "first": _first_call(membership),
        "may_set_budgets": may(membership, Permission.EDIT_BUDGETS), "offer": offer_of(request),
    }  # fmt: skip
    response = show(request, "console/start.html", context, title="Start", now=now)
    response["cache-control"] = "no-store"
    return response


def first_call(request: HttpRequest) -> HttpResponse:
    """The piece of the page that turns green; asked for every two seconds until it does."""
    return show_part(request, "console/start_first.html", {"first": _first_call(membership_of(request))})


def _first_call(membership: Membership) -> CascadeRun | None:
    return runs_for(membership).annotate(saved_nusd=F("baseline_nusd") - F("cost_nusd")).order_by("-started_at", "-id").first()
