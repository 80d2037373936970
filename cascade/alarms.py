"""What is wrong with answers, told as alerts: providers that fail, and models without a price. What is over is told, too."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import Count

from billing import reports
from billing.alerting import ProviderDown, UnpricedModel, end_alerts, raise_alert
from billing.engine.alerts.events import AlertKind
from billing.models import Alert, CostEntry
from billing.pricebook import read_book
from cascade.models import CatalogModel, ProviderConnection
from cascade.provider_health import FAILING_SHARE, health_of
from cascade.runtime import Runtime, TenantRuntime
from tenants.rounds import active_tenants, go_round
from tenants.scoping import tenant_scope

log = logging.getLogger(__name__)
MINUTES = 5
LEAST_FAILURES = 5
"""One bad call is no outage. A breaker lets a probe through at least once a minute and process, so an outage goes on to be seen."""
UP_SHARE = FAILING_SHARE / 2
"""Well below what is failing, so that one that wavers is not told of again and again."""
NO_PRICE_MINUTES = 10
MOST_REMEMBERED = 10_000


def watch_tenants(*, now: datetime) -> int:
    """Look at the last minutes of every tenant, and return how many alerts came of it. One that cannot be looked at spoils no other."""
    return go_round(active_tenants(), lambda _zone: watch_providers(now=now) + watch_prices(now=now))


def watch_providers(*, now: datetime) -> int:
    """Raise an alert for each connection of the scope's tenant most of whose calls fail, and end those of connections that answer again."""
    for alert in _open(AlertKind.PROVIDER_DOWN):
        if _is_up(alert.subject, now=now):
            end_alerts(kind=AlertKind.PROVIDER_DOWN, subject=alert.subject, now=now)
    suspects = reports.failing_providers(since=now - timedelta(minutes=MINUTES), least=LEAST_FAILURES)
    return sum(_judge(name, now=now) for name in suspects)


def _judge(name: str, *, now: datetime) -> bool:
    health = health_of(provider=name, minutes=MINUTES, now=now)
    if health.failures < LEAST_FAILURES or (health.failure_share or 0) < FAILING_SHARE:
        return False
    event = ProviderDown(
        connection=name, seen_at=now, failures=health.failures, calls=health.counted, minutes=MINUTES, error_codes=health.error_codes
    )
    return raise_alert(event=event, now=now) is not None


def _is_up(name: str, *, now: datetime) -> bool:
    """It answers, or nobody asks it any more. Silence alone proves nothing."""
    if not ProviderConnection.objects.filter(name=name, is_active=True).exists():
        return True
    health = health_of(provider=name, minutes=MINUTES, now=now)
    return health.calls.answered > 0 and (health.failure_share or 0) < UP_SHARE


def watch_prices(*, now: datetime) -> int:
    """Raise an alert for each model that was booked at nothing for want of a price, and end those of models that have one by now."""
    for alert in _open(AlertKind.UNPRICED_MODEL):
        event = alert.event
        if isinstance(event, UnpricedModel) and not _lacks_price(event.model, now=now):
            end_alerts(kind=AlertKind.UNPRICED_MODEL, subject=alert.subject, now=now)
    booked = (
        CostEntry.objects.filter(booked_at__gte=now - timedelta(minutes=NO_PRICE_MINUTES), price_version="", reference="")
        .filter(kind__in=(CostEntry.Kind.SETTLED, CostEntry.Kind.ESTIMATED, CostEntry.Kind.ASSUMED)).exclude(outcome="unknown")
        .values("provider", "model").annotate(calls=Count("id")).order_by("provider", "model")
    )  # fmt: skip
    events = [UnpricedModel(model=row["model"], connection=row["provider"], seen_at=now, booked=row["calls"]) for row in booked]
    return sum(raise_alert(event=event, now=now) is not None for event in events if _lacks_price(event.model, now=now))


def note_refused(runtime: Runtime, tenant: TenantRuntime, *, tenant_id: UUID, models: tuple[str, ...], now: datetime) -> None:
    """Raise alerts, beside the reply, for models whose calls a budget refused since they have no price. Once a day, model and process."""
    known = tenant.config.agent.models
    if len(runtime.told_unpriced) > MOST_REMEMBERED:
        runtime.told_unpriced.clear()
    for name in models:
        key = (tenant_id, name, now.date())
        if name in known and key not in runtime.told_unpriced:
            runtime.told_unpriced.add(key)
            event = UnpricedModel(model=name, connection=known[name].provider, seen_at=now)
            runtime.start(sync_to_async(_raise_beside, thread_sensitive=False)(event, tenant_id, now))


def _raise_beside(event: UnpricedModel, tenant_id: UUID, now: datetime) -> None:
    """In a thread of its own, so that its connection is closed when it is done."""
    try:
        with tenant_scope(tenant_id):
            raise_alert(event=event, now=now)
    finally:
        connection.close()


def _open(kind: AlertKind) -> list[Alert]:
    return list(Alert.objects.filter(kind=kind).exclude(state=Alert.State.RESOLVED))


def _lacks_price(name: str, *, now: datetime) -> bool:
    """Is it a model of the scope's tenant, and without a price?"""
    row = CatalogModel.objects.select_related("connection").filter(name=name).first()
    return row is not None and read_book([row.place], since=now).at(now, model=row.name, place=row.place) is None
