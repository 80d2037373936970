"""Anomalies as a resource of the console, and each in words: whose spend, how far off, and where to look on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse
from msgspec import Struct

from billing import reports
from billing.models import Anomaly
from dashboards.access import may
from dashboards.navigation import SEE_RUNS
from dashboards.resources import Filter, Resource
from dashboards.screens.runs import address_of_runs
from dashboards.templatetags.console import in_zone
from tenants.models import Membership
from tenants.roles import Permission

STATES = {"open": "Open", "snoozed": "Snoozed", "resolved": "Resolved"}
DIMENSIONS = {"all": "Everything", "api_key": "API key", "end_user": "End user", "model": "Model", "domain": "Domain", "tier": "Tier"}
DRIVERS = {
    "volume": "More or fewer runs", "model_mix": "Other models for the same calls", "escalation": "More or fewer calls a run: escalations above all",
    "tokens": "Longer or shorter calls", "price": "Other prices",
}  # fmt: skip
KINDS = {"spike": "Spike", "drop": "Drop", "quality_collapse": "Drafts rejected"}
SIZES = {"critical": "Critical", "warning": "Warning", "info": "Small", "every": "All, whatever their size"}
TAGS = {"critical": "d", "warning": "w", "info": ""}



class Anomalies(Resource[Anomaly]):
    """Spend that is out of the ordinary, the largest impact first."""

    name, one, title = "anomalies", "anomaly", "Anomalies"
    columns = ()
    row_template = ""
    ordering = ("-impact_nusd",)

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[Anomaly]:
        return reports.anomalies_by_impact(now=now)

    def describe(self, row: Anomaly) -> Mapping[str, str]:
        return {
            "State": STATES[row.state], "Answer": row.get_resolution_display() if row.resolution else "", "Note": row.note,
            "Snoozed until": f"{in_zone(row.snoozed_until, 'UTC')} UTC" if row.snoozed_until else "",
        }  # fmt: skip


def _of_size(rows: QuerySet[Any], size: str) -> QuerySet[Any]:
    return rows.filter(severity=size) if size in TAGS else rows


Anomalies.filters = (
    Filter(name="size", label="Severity: all that was told", narrow=_of_size, choices=lambda: list(SIZES.items())),
    Filter(
        name="dim", label="Whose spend", narrow=lambda rows, chosen: rows.filter(dimension=chosen) if chosen in DIMENSIONS else rows,
        choices=lambda: list(DIMENSIONS.items()),
    ),
)


class Part(Struct, frozen=True, kw_only=True):
    """How much of an excess one value of a dimension makes up, and where to look on from it; an empty address leads nowhere."""

    label: str
    amount_nusd: int
    runs_url: str = ""
    budget_url: str = ""


def labels_of(rows: Iterable[Anomaly], *, with_contributors: bool = True) -> Mapping[tuple[str, str], str]:
    """Return a name for whatever anomalies, and their contributors, are about, by dimension and value: one look-up a dimension."""
    wanted: dict[str, dict[str, None]] = {}
    for row in rows:
        wanted.setdefault(row.dimension, {})[row.value] = None
        for some in row.contributors if with_contributors else ():
            wanted.setdefault(some["dimension"], {}).update(dict.fromkeys(part["value"] for part in some["largest"]))
    found = {(name, value): label for name, values in wanted.items() for value, label in reports.names_of(dimension=name, values=values).items()}
    return {**found, ("all", ""): "Everything"}


def contributors_of(row: Anomaly, labels: Mapping[tuple[str, str], str], *, membership: Membership) -> Sequence[Mapping[str, Any]]:
    """Return, dimension by dimension, who makes up the excess: the parts add up to it."""
    return [
        {
            "name": DIMENSIONS.get(some["dimension"], some["dimension"]), "others_nusd": some["others_nusd"],
            "parts": [
                Part(
                    label=labels[some["dimension"], part["value"]], amount_nusd=part["amount_nusd"],
                    runs_url=runs_url(row, some["dimension"], part["value"], membership=membership),
                    budget_url=_budget_url(some["dimension"], part["value"], labels[some["dimension"], part["value"]], membership=membership),
                )
                for part in some["largest"]
            ],
        }
        for some in row.contributors
    ]  # fmt: skip


def runs_url(row: Anomaly, dimension: str, value: str, *, membership: Membership) -> str:
    """Return where the runs of its hours are, of one value of a dimension and of the anomaly's own."""
    if not may(membership, *SEE_RUNS):
        return ""
    values = {row.dimension: row.value, dimension: value}
    return address_of_runs(row.started_at, row.ended_at, values=values, tenant=membership.tenant)


def _budget_url(dimension: str, value: str, label: str, *, membership: Membership) -> str:
    subject = {"end_user": label, "api_key": value}.get(dimension, "")
    if not value or not subject or not may(membership, Permission.EDIT_BUDGETS):
        return ""
    query = urlencode({"scope": dimension, dimension: subject, "period": "daily"})
    return f"{reverse('budgets_new', args=[membership.tenant.slug])}?{query}"
