"""Models and their prices as a resource of the console: which have no price comes first."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, When
from django.db.models.functions import Now

from billing import reports
from billing.models import ModelPrice, PlatformPrice
from billing.models.prices import IN_FORCE, PriceVersion
from billing.pricebook import read_book
from cascade.models import CatalogModel
from cascade.retirements import Catalog
from dashboards.access import may
from dashboards.forms.providers import CAPABILITIES, ModelForm, PriceForm
from dashboards.resources import Column, Filter, Resource, checked
from dashboards.templatetags.money import money
from tenants.models import Membership, Tenant
from tenants.roles import Permission
from tenants.scoping import current_tenant_id

DAYS = 28
VERSIONS_SHOWN = 12
RATES = {"input_nusd": "Input", "output_nusd": "Output", "cached_input_nusd": "Cached input", "cache_write_nusd": "Cache writes",
         "reasoning_nusd": "Reasoning", "request_nusd": "Each request"}  # fmt: skip


class Models(Resource[CatalogModel]):
    """The tenant's models with the price that is in force: those without one first, each by name."""

    name, one, title = "models", "model", "Models and prices"
    columns = (
        Column(label="Model"), Column(label="Provider"), Column(label="Input", is_number=True), Column(label="Cached", is_number=True),
        Column(label="Output", is_number=True), Column(label="Price from"), Column(label="Calls, 28 days", is_number=True),
        Column(label="Cost, 28 days", is_number=True),
    )  # fmt: skip
    row_template, panel_template = "console/models/row.html", "console/models/panel.html"
    search_fields, search_label = ("name", "upstream_name"), "Name"
    ordering = ("has_price", "name")
    creates = Permission.EDIT_PROVIDERS
    note = "USD per million tokens. The list price is the platform's; a price of your own takes its place from its date on."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[CatalogModel]:
        own, listed = _prices()
        has_price = Case(When(own, then=1), When(listed, then=1), default=0, output_field=IntegerField())
        rows = CatalogModel.objects.select_related("connection").alias(listed_as=LISTED_AS)
        return rows.annotate(has_price=has_price)

    def present(self, rows: Sequence[CatalogModel], *, now: datetime) -> Sequence[Any]:
        book, spend = read_book(row.place for row in rows), _spend(now)
        catalog = Catalog(rows, now.date())
        return [
            {
                "row": row, "price": (price := book.version_at(now, model=row.name, place=row.place)), "is_own": isinstance(price, ModelPrice),
                "spend": spend.get(row.name), "notice": catalog.notice_of(row),
            }
            for row in rows
        ]  # fmt: skip

    def panel(self, row: CatalogModel, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        provider, upstream_name = row.place
        own = ModelPrice.objects.filter(IN_FORCE, model=row.name)
        listed = PlatformPrice.objects.filter(IN_FORCE, provider=provider, model=upstream_name)
        versions: list[PriceVersion] = [*own[:VERSIONS_SHOWN], *listed[:VERSIONS_SHOWN]]
        may_price, is_priced = may(membership, Permission.EDIT_PRICES), any(_state(version, now) == "in force" for version in versions)
        return {
            "versions": [_told(version, now) for version in sorted(versions, key=lambda one: one.valid_from, reverse=True)],
            "notice": Catalog([row], now.date()).notice_of(row), "facts": self.describe(row),
            "may_edit": may(membership, Permission.EDIT_PROVIDERS), "may_price": may_price,
            "price_form": PriceForm() if may_price and not is_priced else None,
        }  # fmt: skip

    def describe(self, row: CatalogModel) -> Mapping[str, str]:
        return {
            "Name": row.name, "Provider": row.connection.name, "The provider's name": row.upstream_name or row.name, "Part": row.get_part_display(),
            "It can": ", ".join(CAPABILITIES.get(name, name) for name in row.capabilities) or "nothing beyond text",
            "Context, tokens": f"{row.context_tokens:,}", "Longest answer, tokens": f"{row.max_output_tokens:,}",
            "Retires on": row.retired_on.isoformat() if row.retired_on else "no day is known",
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: CatalogModel | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        return ModelForm(data, model=row)

    def save(self, form: ModelForm, *, row: CatalogModel | None, membership: Membership, now: datetime) -> CatalogModel:
        model = row or CatalogModel()
        for name, value in form.changes().items():
            setattr(model, name, value)
        checked(model).save()
        return model


Models.filters = (
    Filter(
        name="priced", label="Price", choices=lambda: [("no", "Without a price"), ("own", "With a price of your own")],
        narrow=lambda rows, chosen: _priced(rows, chosen),
    ),
)  # fmt: skip


LISTED_AS = Case(When(upstream_name="", then=F("name")), default=F("upstream_name"))
"""Under which name the provider lists a model."""


def _prices() -> tuple[Exists, Exists]:
    """Return whether a model has a price of the tenant's own, and one of the platform's, that holds now; rows say what they are `listed_as`."""
    holds = Q(valid_from__lte=Now()) & (Q(valid_to=None) | Q(valid_to__gt=Now()))
    own = Exists(ModelPrice.objects.filter(IN_FORCE, holds, model=OuterRef("name")))
    listed = Exists(PlatformPrice.objects.filter(IN_FORCE, holds, provider=OuterRef("connection__provider"), model=OuterRef("listed_as")))
    return own, listed


def _priced(rows: QuerySet[Any], chosen: str) -> QuerySet[Any]:
    if chosen == "own":
        return rows.filter(_prices()[0])
    return rows.filter(has_price=0) if chosen == "no" else rows


def _spend(now: datetime) -> Mapping[str, reports.Spend]:
    today = reports.today_of(time_zone=Tenant.objects.get(pk=current_tenant_id()).time_zone, now=now)
    found = reports.spend_by(dimension="model", first=today - timedelta(days=DAYS - 1), last=today, limit=1000)
    return {row.name: row for row in found}


def _state(version: PriceVersion, now: datetime) -> str:
    return "later" if version.valid_from > now else "over" if version.valid_to and version.valid_to <= now else "in force"


def _told(version: PriceVersion, now: datetime) -> Mapping[str, Any]:
    return {
        "version": version, "is_own": isinstance(version, ModelPrice),
        "state": _state(version, now),
        "rates": ", ".join(f"{label.lower()} {money(rate)}" for name, label in RATES.items() if (rate := getattr(version, name))) or "free of charge",
    }  # fmt: skip
