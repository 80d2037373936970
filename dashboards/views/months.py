"""Closing months: which are open, what stands in the way, and whether a closed one is still as it was sealed."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from billing.closing import OBSTACLES, SETTLED_AFTER, close_month, obstacles, open_months, reopen_month, verify_closes
from billing.models import CloseOfMonth
from cascade.catalog import names_of_models
from dashboards.access import may
from dashboards.months import month_of_text
from dashboards.shell import membership_of, show
from tenants.errors import Conflict
from tenants.models import Role
from tenants.roles import Permission

SHOWN = 60
WORDS = {"open_holds": "calls of the month that are not settled yet", "unpriced": "calls that no price was known for"}
assert WORDS.keys() == set(OBSTACLES)
LONGEST_REASON = 500


def months(request: HttpRequest) -> HttpResponse:
    return _page(request)


def close(request: HttpRequest) -> HttpResponseBase:
    """Close a month for a person. What stands in its way is accepted by name."""
    month = month_of_text(request.POST.get("month", ""))
    accepted = [name for name in request.POST.getlist("in_spite_of") if name in OBSTACLES]
    if month is None:
        messages.error(request, "Choose the month to be closed.")
        return redirect("reports_months", membership_of(request).tenant.slug)
    try:
        close_month(
            month=month, actor=membership_of(request).user.email, now=timezone.now(), reason=_reason(request), in_spite_of=accepted,
            catalog=names_of_models(),
        )  # fmt: skip
        messages.success(request, f"{month:%B %Y} is closed.")
    except Conflict as wrong:
        messages.error(request, str(wrong))
    return redirect("reports_months", membership_of(request).tenant.slug)


def reopen(request: HttpRequest) -> HttpResponseBase:
    """Open the month that was closed last again: an owner says why."""
    membership, month = membership_of(request), month_of_text(request.POST.get("month", ""))
    try:
        if month is None:
            raise Conflict("Choose the month to be opened again.")
        reopen_month(month=month, actor=membership.user.email, role=membership.role, reason=_reason(request))
        messages.success(request, f"{month:%B %Y} is open again.")
    except Conflict as wrong:
        messages.error(request, str(wrong))
    return redirect("reports_months", membership.tenant.slug)


def verify(request: HttpRequest) -> HttpResponse:
    """Read every closed month again."""
    found = list(verify_closes())
    return _page(request, verified={"differences": found[:SHOWN], "count": len(found)})


def _page(request: HttpRequest, *, verified: Any = None) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    opened = open_months(tenant=membership.tenant, now=now)
    in_the_way = obstacles(month=opened[0])
    closes = list(CloseOfMonth.objects.defer("names")[:SHOWN])
    context = {
        "open": opened, "following": opened[0], "is_over": opened[0].end_at + SETTLED_AFTER <= now, "closable_at": opened[0].end_at + SETTLED_AFTER,
        "obstacles": [(name, count, WORDS[name]) for name, count in in_the_way.items()], "closes": closes,
        "hashes": {close.pk: bytes(close.hash).hex() for close in closes}, "last": next((one for one in closes if one.reopened_at is None), None),
        "may_close": may(membership, Permission.CLOSE_BOOKS), "is_owner": membership.role == Role.OWNER, "verified": verified,
    }  # fmt: skip
    return show(request, "console/reports/months.html", context, title="Months", now=now)


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").replace("\x00", "").strip()[:LONGEST_REASON]
