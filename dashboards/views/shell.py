"""What belongs to no screen: the way in, the theme, the palette, and what is said when something is not there or breaks."""

import logging
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboards.models import SavedView
from dashboards.navigation import first_page_of
from dashboards.palette import hits_of
from dashboards.shell import A_YEAR, SHORTCUTS_COOKIE, THEME_COOKIE, THEMES, is_part, membership_of, show_part
from dashboards.views.saved import address_of
from tenants.middleware import memberships_of
from tenants.models import Role
from tenants.roles import ROLES
from tenants.scoping import tenant_scope, uuid7

log = logging.getLogger(__name__)


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Send a person to their first tenant, and there to the view that they want to see first, or the first page that their role may see."""
    memberships = memberships_of(request.user.pk)
    if not memberships:
        return render(request, "console/no_tenant.html")
    first = memberships[0]
    with tenant_scope(first.tenant_id):
        view = SavedView.objects.filter(owner=request.user.pk, is_home=True).first()
    if view is not None:
        return redirect(address_of(view, first.tenant.slug))
    return redirect(first_page_of(ROLES[Role(first.role)]), tenant_slug=first.tenant.slug)


def palette(request: HttpRequest) -> HttpResponse:
    """Find what a person may jump to."""
    membership = membership_of(request)
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    return show_part(request, "console/palette.html", {"hits": hits_of(text, membership=membership), "text": text})


@require_POST
def preferences(request: HttpRequest) -> HttpResponseBase:
    """Keep the theme, and whether single keys do something, in cookies of the person's browser."""
    back = request.POST.get("next", "/")
    response = redirect(back if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}) else "/")
    if request.POST.get("theme") in THEMES:
        response.set_cookie(THEME_COOKIE, request.POST["theme"], max_age=A_YEAR, samesite="Lax", secure=request.is_secure())
    if request.POST.get("shortcuts") in ("on", "off"):
        response.set_cookie(SHORTCUTS_COOKIE, request.POST["shortcuts"], max_age=A_YEAR, samesite="Lax", secure=request.is_secure())
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return render(request, "console/not_found.html", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer for an error of ours with an id that the log has beside the reason: as a page, or in the place of the piece that failed."""
    request_id: str = uuid7().hex
    log.error("request %s failed: %s %s", request_id, request.method, request.path)
    context: dict[str, Any] = {"request_id": request_id, "path": request.get_full_path() if request.method == "GET" else ""}
    response = render(request, "console/failed_piece.html" if is_part(request) else "console/failed.html", context, status=500)
    response["x-request-id"] = request_id
    return response
