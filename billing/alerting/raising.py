"""Alerts come into being, are seen to, and end. Call these inside a tenant's scope; they write in the caller's transaction."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Case, F, Q, QuerySet, Value, When

from billing.engine.alerts.events import AlertEvent, AlertKind, to_facts
from billing.models import Alert
from tenants.errors import Conflict
from tenants.scoping import platform_scope

OURSELVES = "CascadeFlow"
OVER_AT_ONCE = 1000


def raise_alert(*, event: AlertEvent, now: datetime) -> Alert | None:
    """Write the alert of an event of the scope's tenant, and return it; None where the same was raised before in its window.

    However many raise it at once, one row comes of it. It is told once the caller's transaction is committed, whatever dies after that.
    """
    if event.lasts and Alert.objects.filter(kind=event.kind, subject=event.subject).exclude(state=Alert.State.RESOLVED).exists():
        return None
    row = Alert(
        key=event.key, kind=event.kind, severity=event.severity, subject=event.subject, amount_nusd=event.money_nusd, facts=to_facts(event),
        budget_id=getattr(event, "budget", None), scope=getattr(event, "scope", ""), end_user_id=getattr(event, "end_user", None), raised_at=now,
        ends_at=event.ends_at,
    )
    Alert.objects.bulk_create([row], ignore_conflicts=True)
    return row if Alert.objects.filter(pk=row.pk).exists() else None


def restate(*, event: AlertEvent) -> None:
    """Let the alert that tells of an event already say it as it is now. Nobody is told again."""
    Alert.objects.filter(key=event.key).update(facts=to_facts(event))


def end_alerts(*, kind: AlertKind, subject: str, now: datetime) -> int:
    """Note that what was told of a subject is over: a provider answers, a model has a price. Returns how many alerts that ends."""
    return _end(Alert.objects.filter(kind=kind, subject=subject), by=OURSELVES, now=now)


def supersede(*, alerts: Iterable[Alert], now: datetime) -> None:
    """End, without a word, older alerts that a newer one says more of: half of a budget, once all of it is spent."""
    older = Alert.objects.filter(pk__in=[alert.pk for alert in alerts])
    older.update(state=Alert.State.RESOLVED, resolved_at=now, resolved_by=OURSELVES)


def end_overdue(*, now: datetime) -> int:
    """End the alerts of all tenants whose time is over: a budget's window that ended is nobody's problem any more. Returns how many."""
    with platform_scope():
        overdue = Alert.objects.filter(ends_at__lte=now).exclude(state=Alert.State.RESOLVED)
        ids = list(overdue.order_by("ends_at").values_list("pk", flat=True)[:OVER_AT_ONCE])
        return _end(Alert.objects.filter(pk__in=ids), by=OURSELVES, now=now) if ids else 0


def acknowledge(*, alert: Alert, by: str, note: str, now: datetime) -> Alert:
    """Note that somebody sees to it. Again changes nothing. Raises Conflict for one that is resolved."""
    alert = Alert.objects.select_for_update().get(pk=alert.pk)
    if alert.state == Alert.State.RESOLVED:
        raise Conflict("This alert is resolved already: there is nothing to see to.", code="alert_resolved")
    if alert.state == Alert.State.OPEN:
        alert.state, alert.acknowledged_at, alert.acknowledged_by = Alert.State.ACKNOWLEDGED, now, by
        alert.note = note or alert.note
        alert.save(update_fields=["state", "acknowledged_at", "acknowledged_by", "note"])
    return alert


def resolve(*, alert: Alert, by: str, note: str, now: datetime) -> Alert:
    """Note that it is over. Again changes nothing."""
    if _end(Alert.objects.filter(pk=alert.pk), by=by, now=now) and note:
        Alert.objects.filter(pk=alert.pk).update(note=note)
    return Alert.objects.get(pk=alert.pk)


def _end(alerts: QuerySet[Alert], *, by: str, now: datetime) -> int:
    """One that nobody was told of yet is told as it is, with its end."""
    untold = When(Q(to_route=Alert.ToRoute.RAISED), then=F("to_route"))
    return alerts.exclude(state=Alert.State.RESOLVED).update(
        state=Alert.State.RESOLVED, resolved_at=now, resolved_by=by, to_route=Case(untold, default=Value(Alert.ToRoute.ENDED))
    )
