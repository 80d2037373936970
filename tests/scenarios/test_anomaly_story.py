"""Sixty days of history, a planted spike from one key: found in one look, explained by that key, told once by a signed webhook."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from standardwebhooks import Webhook

from billing.alerting.delivering import deliver_alerts
from billing.anomalies import look_at_quarters
from billing.models import Alert, AlertChannel, Anomaly
from billing.quarters import KEPT, QUARTER, quarter_of, sum_quarters
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tenants.webhooks import new_webhook_secret
from tests.history import History, history
from tests.shop import Shop
from tests.webhooks import Receiver, receiving

USD = 1_000_000_000
WEB, BATCH = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def past(shop: Shop, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    """Two keys that cost 20 and 10 USD in each quarter of an hour, for as long as quarters are kept; days before that."""
    with django_db_blocker.unblock(), history() as written:
        newest = quarter_of(shop.now)
        quarters = [newest - number * QUARTER for number in range(1, KEPT // QUARTER)]
        for dimension, value, amount in (("all", "", 30), ("api_key", str(WEB), 20), ("api_key", str(BATCH), 10)):
            written.quarters(shop.tenant.id, dict.fromkeys(quarters, amount * USD), dimension=dimension, value=value)
        days = {shop.now.date() - timedelta(days=number): 96 * 30 * USD for number in range(2, 61)}
        written.days(shop.tenant.id, days)
        yield written
        connection.close()


def look(shop: Shop) -> list[Anomaly]:
    """One tick of the fast lane, in the middle of the running quarter."""
    now = max(datetime.now(UTC), quarter_of(datetime.now(UTC)) + timedelta(minutes=3))
    sum_quarters(now=now)
    look_at_quarters(now=now)
    with tenant_scope(shop.tenant.id):
        return list(Anomaly.objects.order_by("-excess_nusd"))


def test_a_spike_of_one_key_is_found_explained_and_told_once(shop: Shop, past: History, receiver: Receiver, settings: object) -> None:
    secret = new_webhook_secret()
    with tenant_scope(shop.tenant.id):
        AlertChannel.objects.create(name="ops", kind="webhook", address=Secret(receiver.url), secret=Secret(secret))
    for _ in range(3):
        shop.call(amount=20 * USD, key=WEB, user=shop.cast.ann.id, asked=900, said=300)
    shop.call(amount=10 * USD, key=BATCH)

    found = look(shop)

    series = {(row.dimension, row.value) for row in found}
    assert {("all", ""), ("api_key", str(WEB))} <= series
    assert ("api_key", str(BATCH)) not in series
    of_key = next(row for row in found if row.dimension == "api_key")
    assert (of_key.kind, of_key.actual_nusd, of_key.expected_nusd, of_key.excess_nusd) == ("spike", 60 * USD, 20 * USD, 40 * USD)
    for row in found:
        assert sum(row.drivers.values()) == row.excess_nusd
        for some in row.contributors:
            assert sum(part["amount_nusd"] for part in some["largest"]) + some["others_nusd"] == row.excess_nusd
    whole = next(row for row in found if row.dimension == "all")
    by_key = next(some for some in whole.contributors if some["dimension"] == "api_key")
    assert by_key["largest"][0]["value"] == str(WEB)

    look(shop)
    for _ in range(2):
        deliver_alerts(clock=lambda: datetime.now(UTC))
    with tenant_scope(shop.tenant.id):
        assert [alert.kind for alert in Alert.objects.all()] == ["anomaly"]
    ((headers, body),) = receiver.asked
    told = Webhook(secret).verify(body.decode(), headers)
    assert "anomaly" in json.dumps(told)
