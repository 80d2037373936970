"""The audit log as a resource of the console: looked at only."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse

from billing import reports
from dashboards.resources import Column, Filter, Resource
from dashboards.trail import ACTORS, DOORS, told_of
from tenants.audit_triggers import object_type
from tenants.models import AuditEntry, Membership, Tenant
from tenants.scoping import Audited, current_tenant_id

ACTIONS = {"created": "Created", "changed": "Changed", "deleted": "Deleted", "read": "Taken out"}
PAGES = {"budget": "budgets", "api_key": "keys", "catalog_model": "models", "provider_connection": "providers", "alert_channel": "alerts"}
"""Things that have a panel in the console, by the name of their list."""


class AuditLog(Resource[AuditEntry]):
    """Who changed what, newest first."""

    name, one, title = "audit", "entry", "Audit log"
    columns = (Column(label="Time"), Column(label="Who"), Column(label="From where"), Column(label="What"), Column(label="Before and after"))
    row_template, list_template = "console/audit/row.html", "console/audit/list.html"
    search_fields, search_label = ("actor_name", "object_name"), "Who, or what it was about"
    ordering = ("-at",)
    note = "Entries are written by the database along with the change, whoever makes it, and nobody can alter them. Amounts are US dollars."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.all()

    def present(self, rows: Sequence[AuditEntry], *, now: datetime) -> Sequence[Any]:
        slug = Tenant.objects.get(pk=current_tenant_id()).slug if rows else ""
        return [{"row": row, "told": told_of(row), "url": _url_of(row, slug)} for row in rows]


def _url_of(entry: AuditEntry, slug: str) -> str:
    """The address of the thing, where it has a panel of its own and was not deleted."""
    name = PAGES.get(entry.object_type)
    try:
        return f"{reverse(name, args=[slug])}?sel={entry.object_id}" if name and entry.action != "deleted" else ""
    except NoReverseMatch:
        return ""


def _things() -> list[tuple[str, str]]:
    audited = (model for model in apps.get_models() if getattr(model, "audited", Audited.NEVER) != Audited.NEVER)
    return sorted((name, name.replace("_", " ").capitalize()) for name in map(object_type, audited))


def _day(*, after: bool) -> Callable[[QuerySet[Any], str], QuerySet[Any]]:
    """From the beginning of a day of the tenant on, or up to the end of one."""

    def narrow(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        found = reports.instants_of_day(text, zone=Tenant.objects.get(pk=current_tenant_id()).time_zone)
        if not found:
            return rows
        return rows.filter(at__gte=found[0]) if after else rows.filter(at__lt=found[1])

    return narrow


AuditLog.filters = (
    Filter(name="kind", label="Who", narrow=lambda rows, chosen: rows.filter(actor_kind=chosen), choices=lambda: list(ACTORS.items())),
    Filter(name="door", label="From where", narrow=lambda rows, chosen: rows.filter(door=chosen), choices=lambda: list(DOORS.items())),
    Filter(name="action", label="Action", narrow=lambda rows, chosen: rows.filter(action=chosen), choices=lambda: list(ACTIONS.items())),
    Filter(name="what", label="Thing", narrow=lambda rows, chosen: rows.filter(object_type=chosen), choices=_things),
    Filter(name="thing", label="Id of the thing", narrow=lambda rows, chosen: rows.filter(object_id=chosen)),
    Filter(name="since", label="Since, YYYY-MM-DD", narrow=_day(after=True)),
    Filter(name="until", label="Until, YYYY-MM-DD", narrow=_day(after=False)),
)
