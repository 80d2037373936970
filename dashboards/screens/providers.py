"""Connections to providers as a resource of the console: where calls go, with what credential, and how that works."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Count, QuerySet

from cascade.connections import change_connection, last_four
from cascade.models import ProviderConnection
from cascade.provider_health import health_of
from dashboards.access import may
from dashboards.forms.providers import PROVIDERS, ConnectionForm
from dashboards.resources import Column, Resource, checked, with_changes
from tenants.encryption import LostSecret, Secret
from tenants.models import Membership
from tenants.roles import Permission

MINUTES = 60
HEALTH = {"idle": ("no calls", ""), "healthy": ("healthy", "g"), "degraded": ("degraded", "w"), "failing": ("failing", "d")}


class Providers(Resource[ProviderConnection]):
    """The tenant's connections, by name."""

    name, one, title = "providers", "provider", "Providers"
    columns = (
        Column(label="Name"), Column(label="Provider"), Column(label="Address"), Column(label="Credential"), Column(label="Models", is_number=True),
        Column(label="State"),
    )  # fmt: skip
    row_template, panel_template = "console/providers/row.html", "console/providers/panel.html"
    search_fields, search_label = ("name", "provider"), "Name or provider"
    ordering = ("name",)
    creates = Permission.EDIT_PROVIDERS
    note = "Credentials are encrypted, and shown to nobody. An address inside a private network must be allowed by whoever runs CascadeFlow."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[ProviderConnection]:
        return ProviderConnection.objects.annotate(model_count=Count("models"))

    def present(self, rows: Sequence[ProviderConnection], *, now: datetime) -> Sequence[Any]:
        return [{"row": row, "provider": PROVIDERS.get(row.provider, row.provider), "credential": credential_of(row)} for row in rows]

    def panel(self, row: ProviderConnection, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        health = health_of(provider=row.name, minutes=MINUTES, now=now)
        return {
            "health": health, "state": HEALTH[health.state], "minutes": MINUTES, "models": list(row.models.order_by("name")[:20]),
            "may_edit": may(membership, Permission.EDIT_PROVIDERS), "facts": self.describe(row),
        }  # fmt: skip

    def describe(self, row: ProviderConnection) -> Mapping[str, str]:
        return {
            "Name": row.name, "Provider": PROVIDERS.get(row.provider, row.provider), "Address": row.base_url or "the provider's own",
            "Credential": credential_of(row), "On": "yes" if row.is_active else "no",
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: ProviderConnection | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        return ConnectionForm(data, connection=row)

    def save(self, form: ConnectionForm, *, row: ProviderConnection | None, membership: Membership, now: datetime) -> ProviderConnection:
        connection = row or ProviderConnection(credential=Secret(""))
        checked(with_changes(connection, {name: value for name, value in form.changes().items() if name != "credential"}), exclude=["credential"])
        return change_connection(connection=connection, changes=form.changes())


def credential_of(row: ProviderConnection) -> str:
    """Return what may be told of a credential."""
    if isinstance(row.credential, LostSecret):
        return "cannot be read any more: set it anew"
    last4 = last_four(row.credential)
    return f"…{last4}" if last4 else "set" if row.credential else "none"
