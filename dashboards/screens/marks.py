"""Anomalies as diamonds on a chart of costs: what was told in a range, and at which point of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse

from billing import reports
from billing.models import Anomaly
from dashboards.ranges import Range
from dashboards.screens.explorer import HOUR
from tenants.models import Tenant

MOST_MARKS = 100


def anomalies_in(chosen: Range, *, now: datetime) -> Sequence[Anomaly]:
    """Return what was told in a range, the largest impact first."""
    start, end = chosen.instants
    rows = reports.anomalies_by_impact(now=now).filter(reports.WORTH_TELLING, started_at__gte=start, started_at__lt=end)
    return list(rows.order_by("-impact_nusd")[:MOST_MARKS])


def marks_of(rows: Sequence[Anomaly], chosen: Range, *, tenant: Tenant, by_hours: bool) -> Mapping[Any, str]:
    """Return where the largest anomaly of each point of the chart is told, by the point: a day, or the hour of a range of hours."""
    found: dict[Any, str] = {}
    for row in rows:
        point: Any = row.started_at.astimezone(ZoneInfo(chosen.zone)).date()
        if by_hours and chosen.start_at:
            point = (chosen.start_at + (row.started_at - chosen.start_at) // HOUR * HOUR).astimezone(ZoneInfo(chosen.zone))
        found.setdefault(point, reverse("anomalies_one", args=[tenant.slug, row.pk]))
    return found
