"""What is asked and done about one end user beside the list and the form: where their next call stands, block, data, erasure."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from billing.engine.tracking import WindowSum
from billing.erasure import forget_end_user
from billing.models import Budget
from cascade.api.end_users import data_file_of, stored_about
from cascade.route_preview import standing_of_user
from dashboards.forms.users import EraseForm
from dashboards.resources import carry_out
from dashboards.screens.users import EndUsers
from dashboards.shell import may_wait, membership_of, show, show_piece
from tenants.audit import record
from tenants.models import EndUser
from tenants.services import change_end_user

RESOURCE = EndUsers()


def standing(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say what would become of their next call, and which budgets say so."""
    now, user = timezone.now(), get_object_or_404(EndUser.objects.select_related("tier"), pk=pk)
    if not may_wait(request):
        return show(request, "console/users/standing_page.html", {"user": user, "later": True}, title="Next call", now=now)
    found = standing_of_user(user=user, tenant=membership_of(request).tenant, now=now)
    context = {
        "user": user, "route": None if user.is_blocked else found.route, "told": found.explanation.partition(" `windows`")[0],
        "windows": _with_budgets(found.windows),
    }  # fmt: skip
    return show_piece(request, "console/users/standing.html", "console/users/standing_page.html", context, title="Next call", now=now)


def block(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Refuse their calls from now on, or let them through again."""
    user, is_blocked = _locked(pk), request.POST.get("blocked") == "1"
    do = partial(change_end_user, user=user, changes={"is_blocked": is_blocked})
    carry_out(RESOURCE, verb="change", before=RESOURCE.describe(user), do=do, membership=membership_of(request))
    messages.success(request, "Blocked: their calls are refused now." if is_blocked else "Their calls are let through again.")
    return redirect(f"{_list_of(request)}?sel={pk}")


def data(request: HttpRequest, pk: UUID) -> HttpResponse:  # noqa: ARG001 - the scope is the request's
    """Everything that is stored about them, as a file: the same that REST gives."""
    user = get_object_or_404(EndUser.objects.select_related("tier"), pk=pk)
    record(action="read", object_type="end_user", object_id=pk)
    headers = {"content-disposition": data_file_of(user), "cache-control": "private, no-store"}
    return HttpResponse(JSONRenderer().render(stored_about(user)), content_type="application/json", headers=headers)


def erase(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Erase who they are, once their name was written to confirm it."""
    user, membership = _locked(pk), membership_of(request)
    form = EraseForm(request.POST, user=user)
    if not form.is_valid():
        messages.error(request, "Nobody was erased: write the name of the end user to confirm it.")
        return redirect(f"{_list_of(request)}?sel={pk}")

    def do() -> EndUser:
        forget_end_user(external_id=user.external_id, actor=membership.user.email, now=timezone.now())
        return user

    carry_out(RESOURCE, verb="erase", before=RESOURCE.describe(user), do=do, membership=membership)
    messages.success(request, f"The end user is erased. What they spent stays booked under {pk}.")
    return redirect(_list_of(request))


def _with_budgets(windows: Sequence[WindowSum]) -> list[Mapping[str, Any]]:
    """Each window with its budget, which has one in force of a kind, the fullest first."""
    budgets = Budget.objects.filter(ended_at=None, scope__in={one.scope for one in windows}, subject__in={"", *(one.subject for one in windows)})
    kinds = {(one.scope, one.subject, one.period, one.action): one for one in budgets}
    found = [
        {"window": one, "budget": kinds.get((one.scope, one.subject, one.period, one.action)), "used_percent": _used_percent(one)} for one in windows
    ]
    return sorted(found, key=lambda each: -each["used_percent"])


def _used_percent(window: WindowSum) -> int:
    return 100 * (window.spent_nusd + window.held_nusd) // window.limit_nusd if window.limit_nusd else 100


def _locked(pk: UUID) -> EndUser:
    return get_object_or_404(EndUser.objects.select_for_update(), pk=pk)


def _list_of(request: HttpRequest) -> str:
    return reverse("users", args=[membership_of(request).tenant.slug])
