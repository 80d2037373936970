"""One run: its steps on a line of time, what it touched, and what it was booked as."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from billing import reports
from billing.models import CostEntry
from cascade.models import CascadeRun
from dashboards.access import may
from dashboards.resources import neighbour
from dashboards.screens.calls import in_code, known_name
from dashboards.screens.runs import STATUSES, TAGS, runs_for
from dashboards.screens.traces import asked_for, policy_of, steps_of, unreached
from dashboards.shell import membership_of, show
from tenants.models import Membership
from tenants.roles import Permission

NO_PROMPT = "THE PROMPT"
NEAR = timedelta(days=2)
"""So far the newer and the older run are looked for: whoever sees few of many runs would wait for all between them."""
TABS = {"steps": "Steps", "ledger": "Ledger", "facts": "Facts"}


def run(request: HttpRequest, pk: UUID) -> HttpResponse:
    now = timezone.now()
    membership = membership_of(request)
    found = get_object_or_404(runs_for(membership), pk=pk)
    tabs = {name: label for name, label in TABS.items() if name != "steps" or may(membership, Permission.SEE_RUNS, Permission.SEE_OWN_RUNS)}
    tab = request.GET.get("tab", "")
    tab = tab if tab in tabs else next(iter(tabs))
    context: dict[str, Any] = {
        "run": found, "tabs": tabs, "tab": tab, "result": STATUSES.get(found.status, found.status), "tag": TAGS.get(found.status, ""),
        "saved": None if found.baseline_nusd is None else found.baseline_nusd - found.cost_nusd,
        "end_user": reports.names_of(dimension="end_user", values=[str(found.end_user_id)])[str(found.end_user_id)] if found.end_user_id else "",
    }  # fmt: skip
    others = runs_for(membership).filter(started_at__gte=found.started_at - NEAR, started_at__lte=found.started_at + NEAR)
    context |= {"newer": neighbour(others, found, ordering=("started_at",)), "older": neighbour(others, found, ordering=("-started_at",))}
    if tab == "steps":
        context |= _path(found, request, membership)
    if tab == "ledger":
        context["touched"] = reports.touched_by(run_id=found.pk)
        context["entries"] = CostEntry.objects.filter(reservation_id=found.pk).order_by("leg", "attempt", "booked_at")[:200]
    if tab == "facts":
        context["facts"] = _facts(found, membership)
    return show(request, "console/runs/one.html", context, title="Run", now=now)


def _path(run: CascadeRun, request: HttpRequest, membership: Membership) -> Mapping[str, Any]:
    """The steps, what was decided before them, and the same call to be made again: without its prompt, which nobody kept."""
    held, steps = reports.path_held_for(run_id=run.pk), steps_of(run)
    user = known_name(run.end_user_id)
    asked = {"model": asked_for(run), "tier": run.tier, "user": user, "domain": run.domain}
    by_program = {**asked, "tier": "" if user else run.tier, "prompt": NO_PROMPT}  # a tier that a call says would be remembered of the end user
    return {
        "steps": steps, "policy": policy_of(run), "held": held, "unreached": unreached(run, held, after=len(steps)),
        "code": in_code(by_program, base_url=request.build_absolute_uri("/v1")),
        "replay": urlencode(asked) if may(membership, Permission.USE_PLAYGROUND) else "",
    }  # fmt: skip


def _facts(run: CascadeRun, membership: Membership) -> Mapping[str, str]:
    key = reports.names_of(dimension="api_key", values=[str(run.api_key_id)])[str(run.api_key_id)] if run.api_key_id else "none"
    return {
        "Run": str(run.pk), "API key": key, "Tier": run.tier or "none", "Preset": run.preset or "one model by name",
        "Policy version": run.policy_version, "Arm of the rollout": run.arm or "none", "Domain": f"{run.domain}, {run.domain_confidence:.2f}",
        "Complexity": run.complexity, "Tags": ", ".join(run.tags) or "none", "Error": run.error_code or "none",
        "First token": f"{run.first_token_ms:,.0f} ms" if run.first_token_ms is not None else "not streamed",
        "Beside which run": str(run.shadow_of) if run.shadow_of else "none", "Time zone": membership.tenant.time_zone,
    }  # fmt: skip
