"""The audit log as a file: what the list's filters match."""

from collections.abc import Iterator, Sequence

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dashboards.access import may, refuse
from dashboards.resources import narrowed
from dashboards.screens.audit import AuditLog
from dashboards.shell import membership_of
from dashboards.spreadsheets import csv_file
from dashboards.trail import told_of
from tenants.models import AuditEntry
from tenants.roles import Permission

MOST = 10_000
HEADINGS = ("Time, UTC", "Who", "Kind", "From where", "Network", "Operation", "Action", "Thing", "Name", "Id", "Field", "Before", "After", "Reason")


def file(request: HttpRequest) -> HttpResponse:
    """The newest entries that match, one line a field that changed."""
    membership, now = membership_of(request), timezone.now()
    if not may(membership, Permission.EXPORT):  # our own staff, who read it, take no files away
        return refuse(request, Permission.EXPORT)
    entries = narrowed(AuditLog(), request.GET, membership=membership, now=now).order_by("-at", "-pk")[:MOST]
    rows = (line for entry in entries for line in _lines(entry))
    return csv_file(f"{membership.tenant.slug}-audit-{now:%Y-%m-%d}.csv", headings=HEADINGS, rows=rows)


def _lines(entry: AuditEntry) -> Iterator[Sequence[str]]:
    told = told_of(entry)
    for difference in told.differences or [("", "", "")]:
        yield [
            entry.at.isoformat(), entry.actor_name, told.actor, told.door, entry.ip, entry.operation, entry.action, told.thing, entry.object_name,
            entry.object_id, *difference, entry.reason,
        ]  # fmt: skip
