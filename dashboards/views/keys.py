"""What is done with API keys: made, rolled and revoked. A secret is in the one answer that makes it, and nowhere else."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from dashboards.access import refuse
from dashboards.forms.keys import KeyForm, RollForm
from dashboards.resources import carry_out, told
from dashboards.screens.keys import Keys, keys_for, may_roll
from dashboards.shell import membership_of, show
from tenants import services
from tenants.errors import Conflict
from tenants.models import ApiKey, Scope
from tenants.roles import Permission

RESOURCE = Keys()
MODEL = "production_ready"
"""What the example asks: a preset that every tenant has."""


def new(request: HttpRequest) -> HttpResponseBase:
    now, membership = timezone.now(), membership_of(request)
    form = KeyForm(request.POST if request.method == "POST" else None, membership=membership)
    if form.is_valid():
        try:
            return _shown(request, lambda: services.issue_key(**form.wanted(now=now), now=now, created_by=membership.user), verb="create")
        except ValidationError as wrong:
            form.add_error(None, told(wrong))
    context = {"form": form, "cancel": reverse("keys", args=[membership.tenant.slug])}
    return show(request, RESOURCE.form_template, context, title="New API key", now=now, status=422 if form.errors else 200)


def roll(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Make a successor of the key, and show its secret; the old one goes on for as long as is asked."""
    now, key, form = timezone.now(), _own(request, pk), RollForm(request.POST)
    if not may_roll(key, membership_of(request)):
        return refuse(request, Permission.MANAGE_KEYS)
    if not form.is_valid():
        messages.error(request, "Not rolled: say when the old key ends.")
        return redirect(_panel_of(request, key))
    overlap = services.OVERLAPS[form.cleaned_data["overlap"]]
    try:
        return _shown(request, lambda: services.roll_key(key=key, overlap=overlap, now=now), verb="roll", old=key)
    except Conflict as wrong:
        messages.error(request, told(wrong))
        return redirect(_panel_of(request, key))


def revoke(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    now, key = timezone.now(), _own(request, pk)
    before = RESOURCE.describe(key)
    carry_out(RESOURCE, verb="revoke", before=before, do=lambda: services.revoke_key(key=key, now=now), membership=membership_of(request))
    messages.success(request, f"{key} is revoked: calls with it are refused from now on.")
    return redirect(_panel_of(request, key))


def _shown(request: HttpRequest, make: Callable[[], tuple[ApiKey, str]], *, verb: str, old: ApiKey | None = None) -> HttpResponse:
    secrets: list[str] = []

    def do() -> ApiKey:
        key, secret = make()
        secrets.append(secret)
        return key

    key = carry_out(RESOURCE, verb=verb, before=RESOURCE.describe(old) if old else {}, do=do, membership=membership_of(request))
    if old is not None:
        old.refresh_from_db()
    context: dict[str, Any] = {
        "key": key, "secret": secrets[0], "old": old, "base_url": request.build_absolute_uri("/v1"), "model": MODEL,
        "may_invoke": Scope.INVOKE in key.scopes,
    }  # fmt: skip
    response = show(request, "console/keys/secret.html", context, title=f"The key {key.name}", now=timezone.now())
    response["cache-control"] = "no-store"
    return response


def _own(request: HttpRequest, pk: UUID) -> ApiKey:
    return get_object_or_404(keys_for(membership_of(request)).select_for_update(), pk=pk)


def _panel_of(request: HttpRequest, key: ApiKey) -> str:
    return f"{reverse('keys', args=[membership_of(request).tenant.slug])}?sel={key.pk}"
