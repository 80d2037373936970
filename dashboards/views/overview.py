"""The first page: what is spent, what is left."""

from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from billing import reports
from tenants.middleware import memberships_of

SHOWN_DAYS, LISTED_DAYS = 28, 7


class Day(NamedTuple):
    name: str
    cost_nusd: int


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Send a person to their first tenant."""
    memberships = memberships_of(request.user.pk)
    if not memberships:
        return render(request, "console/no_tenant.html")
    return redirect("overview", tenant_slug=memberships[0].tenant.slug)


@login_required
def overview(request: HttpRequest, tenant_slug: str) -> HttpResponse:  # noqa: ARG001 - the middleware has used it
    membership = request.membership  # type: ignore[attr-defined]
    now = timezone.now()
    today = reports.today_of(time_zone=membership.tenant.time_zone, now=now)
    first = today - timedelta(days=SHOWN_DAYS - 1)
    holds, held_nusd = reports.open_holds()
    days = reports.spend_by_day(first=today - timedelta(days=LISTED_DAYS - 1), last=today)
    context = {
        "title": "Overview", "tenant": membership.tenant, "membership": membership, "memberships": memberships_of(request.user.pk),
        "today": reports.spend_between(first=today, last=today), "month": reports.spend_between(first=first, last=today),
        "holds": holds, "held_nusd": held_nusd, "standings": reports.budget_standings(now=now),
        "by_model": reports.spend_by(dimension=reports.Dimension.MODEL, first=first, last=today, limit=10),
        "by_day": [Day(f"{day:%a} {day.day} {day:%b}", cost) for day, cost in reversed(days)],
    }  # fmt: skip
    return render(request, "console/overview.html", context)
