"""Anomalies as people look at them: by state, the largest impact first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When
from django.db.models.functions import Abs

from billing.models import Anomaly

WORTH_TELLING = Q(told_at__isnull=False)
"""What an alert was raised for. Smaller ones, and those that another stands for, are shown to whoever asks for them."""


def anomalies_by_impact(*, now: datetime) -> QuerySet[Any]:
    """Return the tenant's anomalies with `impact_nusd` (never negative) and `stands`: their state, where a snooze that is over is open again.

    Order them by `-impact_nusd`. Worked number: a drop from 96 USD expected to 20 has an impact of 76.
    """
    over = When(state=Anomaly.State.SNOOZED, snoozed_until__lte=now, then=Value(Anomaly.State.OPEN.value))
    return Anomaly.objects.annotate(impact_nusd=Abs("excess_nusd"), stands=Case(over, default=F("state"), output_field=CharField()))


def anomalies_by_state(*, now: datetime, since: datetime) -> Mapping[str, int]:
    """Return how many that are worth telling stand in each state, of those that began at `since` or later."""
    rows = anomalies_by_impact(now=now).filter(WORTH_TELLING, started_at__gte=since)
    counts = dict(rows.order_by().values_list("stands").annotate(Count("pk")))
    return {state: counts.get(state, 0) for state in Anomaly.State.values}
