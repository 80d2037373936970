"""Views that people keep: named, opened again, shared, made the first page, and deleted."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from dashboards.forms.saved import PAGES, ViewForm
from dashboards.models import SavedView
from dashboards.resources import checked, told
from dashboards.shell import membership_of, show
from tenants.errors import Conflict

MOST = 200


def views(request: HttpRequest) -> HttpResponseBase:
    """List what the person may open; where a page sends its address along, offer to keep it."""
    membership, page = membership_of(request), request.GET.get("page", "")
    form = ViewForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        try:
            view = _keep(request, form)
        except (ValidationError, Conflict) as wrong:
            form.add_error(None, told(wrong))
        else:
            messages.success(request, f"Kept as {view.name}.")
            return redirect(address_of(view, membership.tenant.slug))
    if form is None and page in PAGES:
        form = ViewForm(initial={"page": page, "query": request.GET.get("query", "")})
    context: dict[str, Any] = {
        "form": form, "page": PAGES.get(page, ""),
        "found": [
            {"view": view, "url": address_of(view, membership.tenant.slug), "page": PAGES.get(view.page, view.page)}
            for view in _mine_and_shared(request)[:MOST]
        ],
    }  # fmt: skip
    return show(request, "console/views.html", context, title="Saved views", now=timezone.now(), status=422 if form and form.errors else 200)


def home(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Let a view be what the person sees first, or no more."""
    view = get_object_or_404(_own(request), pk=pk)
    _own(request).filter(is_home=True).exclude(pk=pk).update(is_home=False)
    view.is_home = not view.is_home
    view.save(update_fields=["is_home"])
    messages.success(request, f"{view} is {'what you see first from now on' if view.is_home else 'not your first page any more'}.")
    return _back(request)


def share(request: HttpRequest, pk: UUID) -> HttpResponse:
    view = get_object_or_404(_own(request), pk=pk)
    view.is_shared = not view.is_shared
    view.save(update_fields=["is_shared"])
    messages.success(request, f"{view} is {'shared' if view.is_shared else 'your own again'}.")
    return _back(request)


def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    view = get_object_or_404(_own(request), pk=pk)
    view.delete()
    messages.success(request, f"{view} is deleted.")
    return _back(request)


def address_of(view: SavedView, slug: str) -> str:
    address = reverse(view.page if view.page in PAGES else "overview", args=[slug])
    return f"{address}?{view.query}" if view.query else address


def _keep(request: HttpRequest, form: ViewForm) -> SavedView:
    if _own(request).count() >= MOST:
        raise Conflict(f"You keep {MOST} views already: delete some first.", code="too_many_views")
    view = checked(SavedView(owner=membership_of(request).user, **form.cleaned_data))
    view.save()
    return view


def _own(request: HttpRequest) -> QuerySet[SavedView]:
    return SavedView.objects.filter(owner=membership_of(request).user)


def _mine_and_shared(request: HttpRequest) -> QuerySet[SavedView]:
    return SavedView.objects.filter(Q(owner=membership_of(request).user) | Q(is_shared=True)).select_related("owner")


def _back(request: HttpRequest) -> HttpResponse:
    return redirect(reverse("views", args=[membership_of(request).tenant.slug]))
