"""Tenants with channels, receivers that are really there, and a clock that the test moves."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from billing.alerting import ProviderDown, raise_alert
from billing.alerting.delivering import deliver_alerts
from billing.alerting.routing import route_alerts
from billing.models import Alert, AlertChannel, AlertDelivery, AlertMessage, AlertRule
from tenants.encryption import Secret
from tenants.models import Tenant
from tenants.scoping import tenant_scope
from tenants.webhooks import new_webhook_secret
from tests.cast import Cast
from tests.webhooks import Receiver, receiving

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class Clock:
    """Stands still until the test moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Desk:
    """One tenant's alerts: raised, routed, sent, and what became of them."""

    tenant: Tenant
    clock: Clock

    def channel(self, kind: str = "webhook", address: str = "https://acme.example/alerts", **fields: Any) -> AlertChannel:
        with tenant_scope(self.tenant.pk):
            given = {"name": f"channel {uuid.uuid4().hex[:6]}", **fields}
            if kind == "webhook":
                given.setdefault("secret", Secret(new_webhook_secret()))
            return AlertChannel.objects.create(kind=kind, address=Secret("" if kind == "email" else address), **given)

    def rule(self, channel: AlertChannel, **fields: Any) -> AlertRule:
        with tenant_scope(self.tenant.pk):
            return AlertRule.objects.create(channel=channel, **fields)

    def raised(self, name: str = "openai", **fields: Any) -> Alert:
        return self.raise_event(down(name, at=self.clock(), **fields))

    def raise_event(self, event: Any) -> Alert:
        with tenant_scope(self.tenant.pk):
            alert = raise_alert(event=event, now=self.clock())
            assert alert is not None
            return alert

    def route(self) -> None:
        route_alerts(now=self.clock())

    def deliver(self) -> int:
        return deliver_alerts(clock=self.clock)

    def alerts(self, **filters: Any) -> list[Alert]:
        with tenant_scope(self.tenant.pk):
            return list(Alert.objects.filter(**filters).order_by("raised_at", "pk"))

    def messages(self, **filters: Any) -> list[AlertMessage]:
        with tenant_scope(self.tenant.pk):
            return list(AlertMessage.objects.filter(**filters).order_by("created_at", "pk"))

    def deliveries(self) -> list[AlertDelivery]:
        with tenant_scope(self.tenant.pk):
            return list(AlertDelivery.objects.order_by("at", "pk"))

    def stored(self, channel: AlertChannel) -> AlertChannel:
        with tenant_scope(self.tenant.pk):
            return AlertChannel.objects.get(pk=channel.pk)


def down(name: str = "openai", *, at: datetime = NOON, **fields: Any) -> ProviderDown:
    return ProviderDown(**{"connection": name, "seen_at": at, "failures": 9, "calls": 12, "minutes": 5, **fields})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(cast: Cast, clock: Clock, settings: LazySettings) -> Desk:
    """Acme's, in a transaction that is rolled back. Threads and processes beside it see nothing of it."""
    settings.ALLOW_PRIVATE_ENDPOINTS = ["127.0.0.0/8"]
    return Desk(cast.acme, clock)


@pytest.fixture
def committed_desk(committed_cast: Cast, clock: Clock, settings: LazySettings, django_db_blocker: Any) -> Iterator[Desk]:
    """Acme's, in a tenant of its own whose rows are there for other connections; its channels are gone afterwards."""
    settings.ALLOW_PRIVATE_ENDPOINTS = ["127.0.0.0/8"]
    with django_db_blocker.unblock():
        yield Desk(committed_cast.acme, clock)
        with tenant_scope(committed_cast.acme.pk):
            AlertChannel.objects.all().delete()
            Alert.objects.all().delete()
        connection.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


def environment() -> dict[str, str]:
    return {**os.environ, "ALLOW_PRIVATE_ENDPOINTS": "127.0.0.0/8", "HTTPS": "off"}
