"""What is done with providers and models beside the list and the form: checked, deleted, priced, priced anew."""

from datetime import UTC
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing.models import ModelPrice
from billing.repricing import to_version
from billing.services import add_price
from cascade.connections import delete_connection
from cascade.models import CatalogModel, ProviderConnection
from cascade.provider_checks import ConnectionCheck, check_connection
from cascade.runtime import borrowed
from dashboards.forms.providers import PriceForm
from dashboards.resources import carry_out, checked, told
from dashboards.screens.models import Models
from dashboards.screens.providers import Providers
from dashboards.shell import membership_of, show
from dashboards.templatetags.money import money
from tenants.authentication import Caller, caller_without_key
from tenants.errors import Conflict
from tenants.scoping import tenant_scope

PROVIDERS, MODELS = Providers(), Models()
MOST_SHOWN, MOST_POSTED = 20_000, 2_000
"""Lines that a preview reads, and that one request posts: more take longer than a page should."""


def check(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Ask the provider for one word, and say what came of it. Outside any scope: nothing is open while the provider answers."""
    tenant = membership_of(request).tenant
    with tenant_scope(tenant.pk):
        row = ProviderConnection.objects.filter(pk=pk).first()
    if row is None:
        raise Http404
    if not connection.in_atomic_block:
        connection.close()
    found = async_to_sync(_check)(caller_without_key(tenant), row)
    if found.ok:
        messages.success(request, f"{row.name} works: {found.model} answered in {found.latency_ms or 0:,.0f} ms, for ${found.cost}.")
    else:
        messages.error(request, f"{row.name} does not work: {found.problem} {found.advice or ''}".strip())
    for warning in found.warnings:
        messages.warning(request, warning)
    return _panel(request, "providers", pk)


async def _check(caller: Caller, row: ProviderConnection) -> ConnectionCheck:
    async with borrowed() as runtime:
        checking = check_connection(runtime=runtime, caller=caller, connection=row.name, provider=row.provider, now=timezone.now())
        return await runtime.see_through(checking)


def delete_provider(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    row = get_object_or_404(ProviderConnection.objects.select_for_update(), pk=pk)

    def do() -> ProviderConnection:
        kept = ProviderConnection(pk=row.pk, name=row.name, provider=row.provider, base_url=row.base_url, credential=row.credential)
        delete_connection(row)
        return kept

    try:
        carry_out(PROVIDERS, verb="delete", before=PROVIDERS.describe(row), do=do, membership=membership_of(request))
    except Conflict as wrong:
        messages.error(request, told(wrong))
        return _panel(request, "providers", pk)
    messages.success(request, f"{row.name} is deleted.")
    return redirect(reverse("providers", args=[membership_of(request).tenant.slug]))


def price(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Set a price of the tenant's own. From a time in the past on, what was booked since may be priced anew next."""
    now, row = timezone.now(), get_object_or_404(CatalogModel, pk=pk)
    form = PriceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        begins = form.cleaned_data["valid_from"]
        wanted = ModelPrice(model=row.name, valid_from=begins.replace(tzinfo=UTC) if begins else now, **form.columns())
        try:
            add_price(price=checked(wanted))
        except (ValidationError, Conflict) as wrong:
            form.add_error(None, told(wrong))
        else:
            rates = f"{money(wanted.input_nusd)} and {money(wanted.output_nusd)}"
            messages.success(request, f"{row.name} costs {rates} from {wanted.valid_from:%-d %B %Y %H:%M} UTC on.")
            is_past = wanted.valid_from < now and begins
            slug = membership_of(request).tenant.slug
            return redirect(reverse("models_reprice", args=[slug, wanted.pk])) if is_past else _panel(request, "models", pk)
    context = {"form": form, "row": row, "cancel": f"{reverse('models', args=[membership_of(request).tenant.slug])}?sel={pk}"}
    return show(request, "console/models/price.html", context, title=f"Price of {row.name}", now=now, status=422 if form.errors else 200)


def reprice(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Show what pricing anew would change, day by day; then post it, as corrections beside what was booked."""
    now, version = timezone.now(), get_object_or_404(ModelPrice, pk=pk)
    repricing = to_version(version)
    if request.method == "POST":
        return _post(request, version)
    effect = repricing.preview(most=MOST_SHOWN)
    days = sorted(effect.days.values(), key=lambda day: (day.day, day.model))
    context: dict[str, Any] = {
        "version": version, "effect": effect, "total": effect.total, "days": days, "most": MOST_SHOWN,
        "left": {why: count for why, count in effect.left.items() if count}, "model": CatalogModel.objects.filter(name=version.model).first(),
    }  # fmt: skip
    return show(request, "console/models/reprice.html", context, title=f"Price {version.model} anew", now=now)


def delete_model(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    row = get_object_or_404(CatalogModel.objects.select_for_update().select_related("connection"), pk=pk)
    before, name = MODELS.describe(row), row.name

    def do() -> CatalogModel:
        CatalogModel.objects.filter(pk=pk).delete()
        return row

    carry_out(MODELS, verb="delete", before=before, do=do, membership=membership_of(request))
    messages.success(request, f"{name} is deleted: calls that name it are refused. What it cost stays booked.")
    return redirect(reverse("models", args=[membership_of(request).tenant.slug]))


def _post(request: HttpRequest, version: ModelPrice) -> HttpResponse:
    """Post as many pages as one request bears. What is posted stays; posting again posts what is missing."""
    actor, reason = f"user {request.user}", request.POST.get("reason", "").strip()[:500] or f"price of {version.source}"
    pages = to_version(version).post_pages(actor=actor, reason=reason, most=MOST_POSTED)
    posted, posted_nusd = sum(page.posted for page in pages), sum(page.posted_nusd for page in pages)
    messages.success(request, f"{posted:,} corrections are posted: {money(posted_nusd)}.")
    if pages[-1].next is not None or any(page.changed for page in pages):
        messages.warning(request, "There is more to correct: look below, and post again.")
        return redirect(request.path)
    return redirect(reverse("models", args=[membership_of(request).tenant.slug]))


def _panel(request: HttpRequest, name: str, pk: UUID) -> HttpResponse:
    return redirect(f"{reverse(name, args=[membership_of(request).tenant.slug])}?sel={pk}")
