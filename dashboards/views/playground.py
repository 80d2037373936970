"""The playground's page, the way that a call would take, and the call itself, watched step by step."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from cascade.engine.errors import CascadeError
from dashboards.forms.playground import TryForm
from dashboards.screens.calls import in_code
from dashboards.screens.playground import cap, plan_of, spent_of, watched, with_cap
from dashboards.shell import membership_of, show, show_part
from tenants.authentication import caller_without_key
from tenants.models import Tenant
from tenants.scoping import tenant_scope


def playground(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    budget = cap(now=now)
    context: dict[str, Any] = {"form": TryForm(suggested=request.GET.dict()), "budget": budget, "standing": spent_of(budget) if budget else None}
    return show(request, "console/playground/page.html", context, title="Playground", now=now)


def dry(request: HttpRequest) -> HttpResponse:
    """Show the way that the call would take. Nothing is held, and nobody is called."""
    form = TryForm(request.POST)
    if not form.is_valid():
        return show_part(request, "console/playground/problem.html", {"form": form}, status=422)
    context: dict[str, Any] = {"asked": _asked(request, form)}
    try:
        context["plan"] = plan_of(form.request(), membership=membership_of(request), now=timezone.now())
    except CascadeError as refused:
        context["problem"] = refused.message
    return show_part(request, "console/playground/way.html", context)


def run(request: HttpRequest) -> HttpResponseBase:
    """Make the call. Outside any scope: no transaction is open while providers answer."""
    membership, now = membership_of(request), timezone.now()
    with tenant_scope(membership.tenant_id):
        form = TryForm(request.POST)
        if not form.is_valid():
            return show_part(request, "console/playground/problem.html", {"form": form}, status=422)
        with_cap(membership, now=now)
        tenant = Tenant.objects.get(pk=membership.tenant_id)
    shown = {"runs": reverse("runs", args=[tenant.slug]), "asked": _asked(request, form)}
    lines: AsyncIterator[str] = watched(
        form.request(), caller=caller_without_key(tenant), user=form.cleaned_data["user"].strip(), now=now, shown=shown
    )  # fmt: skip
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    answer["cache-control"], answer["x-accel-buffering"] = "no-store", "no"
    return answer


def _asked(request: HttpRequest, form: TryForm) -> Mapping[str, str]:
    """The same call as programs make it."""
    return in_code(form.cleaned_data, base_url=request.build_absolute_uri("/v1"))
