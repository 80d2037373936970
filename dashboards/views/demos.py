"""A demo from the click that asks for it to the one that deletes it."""

import logging
from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from billing.demos import delete_demo
from dashboards.screens.demos import offer_of
from dashboards.shell import is_part, membership_of, show, show_part
from tenants.demos import ask_for_demo
from tenants.models import Demo

log = logging.getLogger(__name__)
PATIENCE = timedelta(seconds=30)
"""Who waits longer for the worker is told how it is started."""


def demo(request: HttpRequest) -> HttpResponseBase:
    """In an organisation: ask for a demo. In a demo: how far it is, and then its first page."""
    now, membership = timezone.now(), membership_of(request)
    if membership.tenant.is_demo:
        row = _unready()
        if row is None:
            return redirect("overview", membership.tenant.slug)
        return show(request, "console/demo/filling.html", {"demo": row, "is_late": now - row.asked_at > PATIENCE}, title="Demo", now=now)
    if request.method == "POST":
        made = ask_for_demo(person=membership.user, now=now)
        log.info("user %s asked for the demo %s", membership.user_id, made.pk)
        return redirect("demo", made.slug)
    return show(request, "console/demo/ask.html", {"offer": offer_of(request)}, title="Demo", now=now)


def progress(request: HttpRequest) -> HttpResponseBase:
    """How far it is: asked for every second; once it is ready the browser is sent to the demo's first page."""
    now, tenant = timezone.now(), membership_of(request).tenant
    row = _unready()
    if not is_part(request):
        return redirect("demo", tenant.slug)
    if row is None:
        return HttpResponse(headers={"hx-redirect": reverse("overview", args=[tenant.slug])})
    return show_part(request, "console/demo/progress.html", {"demo": row, "is_late": now - row.asked_at > PATIENCE})


def delete(request: HttpRequest) -> HttpResponseBase:
    membership = membership_of(request)
    if not membership.tenant.is_demo:
        raise Http404
    delete_demo()
    log.info("user %s deleted the demo %s", membership.user_id, membership.tenant_id)
    messages.success(request, "The demo is deleted, with all that was in it.")
    return redirect("home")


def _unready() -> Demo | None:
    return Demo.objects.exclude(state=Demo.State.READY).first()
