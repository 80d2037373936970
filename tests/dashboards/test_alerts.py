"""Alert channels in the console: made, tried on a real receiver, switched off, and what became of each message."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from billing.alerting import ProviderDown, raise_alert
from billing.alerting.routing import route_alerts
from billing.models import AlertChannel, AlertDelivery, AlertMessage, AlertRule
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of
from tests.webhooks import Receiver, receiving, verified

CHANNEL = {"kind": "webhook", "name": "ops", "recipients": "", "address": "https://example.com/secret-path", "secret": ""}
RULE = {"min_severity": "critical", "pace": "at_once", "digest_hour": "8", "kinds": ["anomaly"], "is_active": "on", "name": "big ones"}


@pytest.fixture
def operator(cast: Cast, settings: Any) -> Client:
    settings.ALLOW_PRIVATE_ENDPOINTS = ["127.0.0.0/8"]
    return logged_in(cast.olga)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


def channel_of(cast: Cast, *, address: str = "https://example.com/x", **fields: Any) -> AlertChannel:
    with tenant_scope(cast.acme.id):
        return AlertChannel.objects.create(**{"name": "ops", "kind": "slack", "address": Secret(address), **fields})


def fresh(cast: Cast, row: Any) -> Any:
    with tenant_scope(cast.acme.id):
        return type(row).objects.get(pk=row.pk)


def test_a_webhook_is_made_and_its_secret_shown_once(cast: Cast, operator: Client, receiver: Receiver) -> None:
    page = operator.post("/o/acme/alerts/new/", {**CHANNEL, "address": receiver.url})
    assert page["cache-control"] == "no-store"
    secret = page.context["secret"]
    assert secret in page.content.decode()
    with tenant_scope(cast.acme.id):
        channel = AlertChannel.objects.get()
    assert channel.secret.reveal() == secret  # type: ignore[union-attr]
    tested = operator.post(f"/o/acme/alerts/{channel.pk}/test/", follow=True).content.decode()
    assert "The test arrived: 200 OK, " in tested
    assert secret not in tested
    assert "/check" not in tested
    ((headers, body),) = receiver.asked
    assert verified(headers, body, secret=secret)
    assert fresh(cast, channel).last_delivered_at is not None


def test_a_test_that_does_not_arrive_says_why(cast: Cast, operator: Client, receiver: Receiver) -> None:
    receiver.status = 503
    channel = channel_of(cast, address=receiver.url)
    page = operator.post(f"/o/acme/alerts/{channel.pk}/test/", follow=True).content.decode()
    assert "The test did not arrive: it answered with the status 503" in page
    assert "The last did not arrive" in page
    again = operator.post(f"/o/acme/alerts/{channel.pk}/test/", follow=True).content.decode()
    assert "was tested a moment ago" in again
    assert len(receiver.asked) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "pigeon"}, "valid choice"), ({"name": ""}, "required"), ({"name": "x" * 65}, "at most 64"), ({"address": ""}, "Say where it leads"),
        ({"address": "ftp://example.com"}, "https"), ({"address": "http://169.254.169.254/"}, "address"),
        ({"kind": "email", "recipients": "nobody", "address": ""}, "valid email"), ({"kind": "email", "address": ""}, "Name 1 to 20"),
        ({"kind": "pagerduty", "address": "short"}, "integration key"), ({"secret": "whsec_x"}, "secret"),
        ({"kind": "slack", "secret": "x"}, "secret"),
        ({"recipients": "ann@example.com"}, "Only an email channel"),
    ],
)  # fmt: skip
def test_what_could_tell_nobody_is_refused(cast: Cast, operator: Client, changes: dict[str, str], told: str) -> None:
    page = operator.post("/o/acme/alerts/new/", {**CHANNEL, **changes})
    assert page.status_code == 422
    assert told in page.content.decode()
    with tenant_scope(cast.acme.id):
        assert not AlertChannel.objects.exists()


def test_two_channels_of_one_name_are_refused(cast: Cast, operator: Client) -> None:
    channel_of(cast)
    assert b"There is a channel of this name." in operator.post("/o/acme/alerts/new/", CHANNEL).content


def test_an_address_stays_unless_another_is_entered_and_is_never_shown(cast: Cast, operator: Client) -> None:
    channel = channel_of(cast, address="https://example.com/secret-path")
    path = f"/o/acme/alerts/{channel.pk}/edit/"
    form = operator.get(path)
    assert "secret-path" not in form.content.decode()
    page = operator.post(path, {"name": "ops 2", "address": "", "seen": form.context["seen"]}, follow=True).content.decode()
    assert "Name ops → ops 2" in page
    assert "secret-path" not in page
    assert fresh(cast, channel).address.reveal() == "https://example.com/secret-path"
    seen = operator.get(path).context["seen"]
    page = operator.post(path, {"name": "ops 2", "address": "https://example.com/other", "seen": seen}, follow=True).content.decode()
    assert "entered anew" in page
    assert fresh(cast, channel).address.reveal() == "https://example.com/other"


def test_a_channel_is_paused_resumed_rolled_and_deleted(cast: Cast, operator: Client) -> None:
    channel = channel_of(cast, kind="webhook", secret=Secret("whsec_" + "a" * 32))
    operator.post(f"/o/acme/alerts/{channel.pk}/pause/")
    assert not fresh(cast, channel).is_active
    operator.post(f"/o/acme/alerts/{channel.pk}/pause/")
    assert fresh(cast, channel).is_active
    secret = operator.post(f"/o/acme/alerts/{channel.pk}/roll/", {"overlap": "1h"}).context["secret"]
    assert fresh(cast, channel).secret.reveal() == secret
    assert b"Say when" in operator.post(f"/o/acme/alerts/{channel.pk}/roll/", {"overlap": "5y"}, follow=True).content
    operator.post(f"/o/acme/alerts/{channel.pk}/delete/")
    with tenant_scope(cast.acme.id):
        assert not AlertChannel.objects.exists()


def test_before_the_first_delivery_an_example_of_the_payload_is_shown(cast: Cast, operator: Client) -> None:
    channel = channel_of(cast, kind="webhook", secret=Secret("whsec_" + "a" * 32))
    page = operator.get(f"/o/acme/alerts/?sel={channel.pk}")
    example = json.loads(page.context["panel"]["example"])
    assert (example["type"], example["data"]["alerts"][0]["kind"]) == ("alert.raised", "budget_mark")
    assert "80 % is spent" in page.content.decode()
    operator.post(f"/o/acme/alerts/{channel.pk}/test/")
    assert operator.get(f"/o/acme/alerts/?sel={channel.pk}").context["panel"]["example"] == ""


def test_slack_has_no_secret_to_roll(cast: Cast, operator: Client) -> None:
    channel = channel_of(cast)
    assert b"no secret to roll" in operator.post(f"/o/acme/alerts/{channel.pk}/roll/", {"overlap": "1h"}, follow=True).content


def test_a_rule_is_made_changed_and_deleted(cast: Cast, operator: Client) -> None:
    channel = channel_of(cast)
    page = operator.post("/o/acme/alerts/rules/new/", {**RULE, "channel": str(channel.pk), "min_amount_nusd": "5"}, follow=True).content.decode()
    assert "Spend out of the ordinary" in page
    with tenant_scope(cast.acme.id):
        rule = AlertRule.objects.get()
    assert (rule.kinds, rule.min_severity, rule.min_amount_nusd, rule.critical_passes) == (["anomaly"], "critical", 5 * 10**9, False)
    path = f"/o/acme/alerts/rules/{rule.pk}/edit/"
    seen = operator.get(path).context["seen"]
    operator.post(path, {**RULE, "channel": str(channel.pk), "quiet_from": "22:00", "quiet_until": "07:00", "seen": seen})
    assert str(fresh(cast, rule).quiet_from) == "22:00:00"
    operator.post(f"/o/acme/alerts/rules/{rule.pk}/delete/")
    with tenant_scope(cast.acme.id):
        assert not AlertRule.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"kinds": ["weather"]}, {"digest_hour": "24"}, {"quiet_from": "22:00"}, {"quiet_from": "07:00", "quiet_until": "07:00"},
                {"min_amount_nusd": "-1"}, {"channel": "nobody"}, {"pace": "never"}],
)  # fmt: skip
def test_a_rule_that_says_nothing_is_refused(cast: Cast, operator: Client, changes: dict[str, Any]) -> None:
    channel = channel_of(cast)
    assert operator.post("/o/acme/alerts/rules/new/", {**RULE, "channel": str(channel.pk), **changes}).status_code == 422


def test_anothers_channel_is_no_choice_for_a_rule(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.globex.id):
        foreign = AlertChannel.objects.create(name="theirs", kind="slack", address=Secret("https://example.com/x"))
    assert operator.post("/o/acme/alerts/rules/new/", {**RULE, "channel": str(foreign.pk)}).status_code == 422


def test_the_log_shows_what_was_said_and_sends_it_again(cast: Cast, operator: Client) -> None:
    channel, now = channel_of(cast), datetime.now(UTC)
    with tenant_scope(cast.acme.id):
        raise_alert(event=ProviderDown(connection="up", seen_at=now, failures=9, calls=10, minutes=5), now=now)
    route_alerts(now=now)
    with tenant_scope(cast.acme.id):
        message = AlertMessage.objects.get()
        message.state, message.attempts = "given_up", 8
        message.save()
        delivery = AlertDelivery.objects.create(
            message=message, channel=channel, attempt=8, at=now, is_ok=False, status_code=500, milliseconds=1200, problem="it answered 500"
        )
    page = operator.get(f"/o/acme/alerts/deliveries/?result=failed&sel={delivery.pk}").content.decode()
    for told in ("500 Internal Server Error", "1.20 s", "given up", "try 8 of 8 so far", "What it says", "9 of"):
        assert told in page
    operator.post(f"/o/acme/alerts/deliveries/{delivery.pk}/resend/")
    again = fresh(cast, message)
    assert (again.state, again.attempts) == ("waiting", 0)
    assert b"Nothing matches." in operator.get("/o/acme/alerts/deliveries/?result=arrived").content


@pytest.mark.parametrize("role", ["finance", "developer", "viewer"])
def test_only_those_who_operate_see_alerts(cast: Cast, role: str) -> None:
    channel, client = channel_of(cast), logged_in(person_of(cast, role))
    assert client.get("/o/acme/alerts/").status_code == 403
    refused = client.post(f"/o/acme/alerts/{channel.pk}/test/")
    assert refused.status_code == 403
    assert b"You need the Operator role" in refused.content
