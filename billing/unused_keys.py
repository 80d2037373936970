"""Keys that nobody uses any more are told, so that somebody revokes them: one that leaked long ago still opens the door."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Coalesce

from billing.alerting import KeyUnused, end_alerts, raise_alert
from billing.engine.alerts.events import AlertKind
from billing.models import Alert
from tenants.models import ApiKey
from tenants.rounds import active_tenants, go_round

UNUSED_AFTER = timedelta(days=90)
MOST_AT_ONCE = 200


def tell_unused_keys(*, now: datetime) -> int:
    """Look at the keys of every tenant, and return how many alerts came of it."""
    return go_round(active_tenants(), lambda _zone: watch_keys(now=now))


def watch_keys(*, now: datetime) -> int:
    """Raise an alert for each key of the scope's tenant that works and has not been used for 90 days, once until it is used again; and end those
    of keys that were used, revoked or have ended. A key that was never used counts from when it was made."""
    unused = _unused(now=now)
    told = Alert.objects.filter(kind=AlertKind.KEY_UNUSED).exclude(state=Alert.State.RESOLVED).values_list("subject", flat=True)
    still = {str(pk) for pk in unused.filter(pk__in=[UUID(subject) for subject in told]).values_list("pk", flat=True)}
    for subject in told:
        if subject not in still:
            end_alerts(kind=AlertKind.KEY_UNUSED, subject=subject, now=now)
    known = Alert.objects.filter(kind=AlertKind.KEY_UNUSED, subject=Cast(OuterRef("pk"), CharField()), raised_at__gt=OuterRef("since"))
    new = unused.exclude(Exists(known)).order_by("since")[:MOST_AT_ONCE]
    events = [KeyUnused(api_key=key.pk, name=key.name, last4=key.last4, since=key.since) for key in new]
    return sum(raise_alert(event=event, now=now) is not None for event in events)


def _unused(*, now: datetime) -> QuerySet[Any]:
    works = ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    return works.annotate(since=Coalesce(F("last_used_at"), F("created_at"))).filter(since__lt=now - UNUSED_AFTER)
