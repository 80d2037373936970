"""Messages arrive: signed, once or again under the same id, in time, and whatever the receiver does to us."""

import json
import logging
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from billing.alerting import delivering, end_alerts, outbox
from billing.engine.alerts.events import AlertKind
from billing.engine.alerts.rules import WAITS
from billing.models import Alert, AlertChannel
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tenants.signing import roll_secret
from tests.billing.alerting.conftest import NOON, Desk
from tests.cast import Cast
from tests.raw import raw_server, request_of
from tests.webhooks import Receiver


def verify(receiver: Receiver, secret: str, *, which: int = -1) -> Any:
    headers, body = receiver.asked[which]
    return Webhook(secret).verify(body, headers)


class TestAWebhook:
    def test_what_arrives_is_signed_as_the_standards_own_library_checks(self, desk: Desk, receiver: Receiver) -> None:
        desk.clock.now = now()
        channel = desk.channel(address=receiver.url)
        alert = desk.raised()
        assert desk.deliver() == 1
        told = verify(receiver, channel.secret.reveal())
        assert (told["type"], told["data"]["alerts"][0]["id"]) == ("alert.raised", str(alert.pk))
        headers, body = receiver.asked[0]
        assert headers["webhook-id"] == desk.messages()[0].webhook_id
        receiver.asked[0] = (headers, body + b" ")
        with pytest.raises(WebhookVerificationError):
            verify(receiver, channel.secret.reveal())

    def test_while_a_secret_is_rolled_a_receiver_may_know_either(self, desk: Desk, receiver: Receiver) -> None:
        desk.clock.now = now()
        channel = desk.channel(address=receiver.url)
        old = channel.secret.reveal()
        with tenant_scope(desk.tenant.pk):
            _, new = roll_secret(row=channel, overlap=timedelta(hours=1), now=desk.clock())
        desk.raised()
        desk.deliver()
        assert verify(receiver, old) == verify(receiver, new)

    def test_each_try_is_signed_at_its_own_time_under_one_id(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        receiver.statuses = [500]
        desk.raised()
        desk.deliver()
        desk.clock.tick(seconds=10)
        desk.deliver()
        (first, _), (second, _) = receiver.asked
        assert first["webhook-id"] == second["webhook-id"]
        assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 10

    def test_the_other_kinds_get_their_own_bodies(self, desk: Desk, receiver: Receiver, settings: Any) -> None:
        settings.PAGERDUTY_EVENTS_URL = receiver.url
        desk.channel("slack", address=receiver.url, name="a")
        desk.channel("teams", address=receiver.url, name="b")
        desk.channel("pagerduty", address="R" * 32, name="c")
        desk.raised()
        assert desk.deliver() == 3
        bodies = [json.loads(body) for _, body in receiver.asked]
        assert sorted(next(iter(body)) for body in bodies) == ["routing_key", "text", "type"]
        assert [body["routing_key"] for body in bodies if "routing_key" in body] == ["R" * 32]
        assert not [headers for headers, _ in receiver.asked if "webhook-signature" in headers]


class TestFailures:
    def test_500s_are_tried_again_with_growing_waits_until_it_arrives(self, desk: Desk, receiver: Receiver) -> None:
        channel = desk.channel(address=receiver.url)
        receiver.statuses = [500, 503, 429]
        desk.raised()
        waited = []
        for _ in range(4):
            desk.deliver()
            (message,) = desk.messages()
            waited.append(message.due_at - desk.clock())
            desk.clock.now = max(message.due_at, desk.clock())
        assert [wait <= asked <= wait * 1.2 for wait, asked in zip(WAITS, waited[:3], strict=False)] == [True] * 3
        assert (message.state, message.attempts, message.sent_at is not None) == ("sent", 4, True)
        log = [(one.attempt, one.is_ok, one.status_code, one.problem) for one in desk.deliveries()]
        assert log == [
            (1, False, 500, "it answered with the status 500"), (2, False, 503, "it answered with the status 503"),
            (3, False, 429, "it answered with the status 429"), (4, True, 200, ""),
        ]  # fmt: skip
        stored = desk.stored(channel)
        assert (stored.failing_since, stored.last_problem, stored.last_delivered_at is not None) == (None, "", True)

    def test_nothing_is_tried_before_its_time(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        receiver.statuses = [500]
        desk.raised()
        desk.deliver()
        desk.clock.tick(seconds=4)
        desk.deliver()
        assert len(receiver.asked) == 1

    def test_after_about_a_day_it_is_given_up(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        receiver.status = 500
        desk.raised()
        for _ in range(len(WAITS) + 1):
            desk.deliver()
            desk.clock.now = desk.messages(event="alert.raised")[0].due_at
        (message,) = desk.messages(event="alert.raised")
        assert (message.state, message.attempts, len(receiver.asked)) == ("given_up", 8, 8)
        assert timedelta(hours=27) < desk.clock() - NOON < timedelta(hours=34)
        desk.clock.tick(days=9)
        desk.deliver()
        assert len(receiver.asked) == 8

    def test_410_switches_the_channel_off_gives_up_what_waits_and_tells_the_others(self, desk: Desk, receiver: Receiver) -> None:
        gone = desk.channel(address=receiver.url, name="gone")
        receiver.status = 410
        for name in ("openai", "groq"):
            desk.raised(name)
        desk.deliver()
        stored = desk.stored(gone)
        assert (stored.is_active, stored.off_because) == (False, "it answered with the status 410: nothing may be sent there any more")
        assert [message.state for message in desk.messages(channel=gone)] == ["given_up"] * 2
        assert len(receiver.asked) == 1
        assert [alert.subject for alert in desk.alerts(kind="channel_failing")] == [str(gone.pk)]

    def test_a_channel_that_fails_for_an_hour_is_told_by_the_others_and_again_when_it_works(self, desk: Desk, receiver: Receiver) -> None:
        broken = desk.channel(address=receiver.url, name="broken")
        receiver.status = 500
        desk.raised()
        desk.deliver()
        assert desk.stored(broken).failing_since == desk.clock()
        assert desk.alerts(kind="channel_failing") == []
        desk.clock.tick(hours=1)
        desk.deliver()
        (failing,) = desk.alerts(kind="channel_failing")
        assert (failing.state, failing.facts["problem"]) == ("open", "it answered with the status 500")
        receiver.status = 200
        desk.clock.tick(hours=1)
        desk.deliver()
        (failing,) = desk.alerts(kind="channel_failing")
        assert (failing.state, desk.stored(broken).failing_since) == ("resolved", None)

    def test_a_receiver_that_asks_for_time_gets_it(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        receiver.statuses, receiver.headers = [429], {"Retry-After": "120"}
        desk.raised()
        desk.deliver()
        assert desk.messages()[0].due_at == NOON + timedelta(seconds=120)

    def test_a_redirect_is_a_failure_and_is_not_followed(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        receiver.status = 302  # to 169.254.169.254
        desk.raised()
        desk.deliver()
        (one,) = desk.deliveries()
        assert one.problem == "it answered with the status 302, a redirect, which is not followed: enter the address that it leads to"

    def test_an_address_that_leads_inward_is_not_reached_and_says_no_more_than_one_that_is_away(
        self, desk: Desk, receiver: Receiver, settings: Any
    ) -> None:
        settings.ALLOW_PRIVATE_ENDPOINTS = []
        for address in (receiver.url, receiver.url.replace("127.0.0.1", "localhost"), "https://169.254.169.254/latest"):
            desk.channel(address=address)
        desk.raised()
        desk.deliver()
        assert {(one.problem, one.status_code) for one in desk.deliveries()} == {("it cannot be reached", None)}
        assert receiver.asked == []

    def test_a_secret_that_no_key_reads_is_said_and_is_not_tried_again(self, desk: Desk, receiver: Receiver) -> None:
        channel = desk.channel(address=receiver.url)
        with connection.cursor() as cursor, tenant_scope(desk.tenant.pk):
            cursor.execute("UPDATE billing_alertchannel SET secret = 'lost' WHERE id = %s", [channel.pk])
        desk.raised()
        desk.deliver()
        assert "cannot be read" in desk.deliveries()[0].problem
        assert desk.messages()[0].state == "given_up"
        assert receiver.asked == []

    def test_of_an_answer_a_short_cleaned_piece_is_kept(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        receiver.status, receiver.reply = 400, b"<b>\r\nno\x00 such \x1b[31mhook</b>" + b"x" * 5000
        desk.raised()
        desk.deliver()
        excerpt = desk.deliveries()[0].excerpt
        assert excerpt.startswith("<b> no such [31mhook</b>xx")
        assert len(excerpt) == 200

    def test_no_address_and_no_secret_is_ever_logged(self, desk: Desk, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        channel = desk.channel("slack", address=f"{receiver.url}/services/T00/B00/TOKEN-OF-ACME")
        desk.channel(address="http://127.0.0.1:9/TOKEN-OF-ACME")
        desk.raised()
        desk.deliver()
        assert "TOKEN-OF-ACME" not in caplog.text
        assert desk.stored(channel).secret.reveal() == ""
        assert not [one for one in desk.deliveries() if "TOKEN-OF-ACME" in f"{one.problem}{one.excerpt}"]

    def test_a_fault_of_our_own_spoils_one_message_and_is_logged_without_its_text(
        self, desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(parcel: Any) -> None:
            raise RuntimeError(f"broken at {parcel.url}")

        monkeypatch.setattr(delivering, "send", fail)
        desk.channel(address=f"{receiver.url}/TOKEN")
        desk.raised()
        desk.deliver()
        assert desk.deliveries()[0].problem == "it failed on our side"
        assert "RuntimeError" in caplog.text
        assert "TOKEN" not in caplog.text


    def test_a_step_that_fails_holds_up_no_message(
        self, desk: Desk, cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(**_: Any) -> int:
            raise RuntimeError

        fail.__name__ = "announce_marks"
        monkeypatch.setattr(delivering, "announce_marks", fail)
        desk.channel(address=receiver.url)
        broken, other = desk.raised(), Desk(cast.globex, desk.clock)
        other.channel(address=receiver.url)
        other.raised()
        with tenant_scope(desk.tenant.pk):
            Alert.objects.filter(pk=broken.pk).update(facts={"kind": "of a later release"})
        assert desk.deliver() == 1
        assert "announce_marks failed" in caplog.text
        assert f"the alerts of {desk.tenant.slug} could not be routed" in caplog.text

    def test_words_that_cannot_be_made_are_a_failed_try(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        broken = desk.raised()
        desk.route()
        with tenant_scope(desk.tenant.pk):
            Alert.objects.filter(pk=broken.pk).update(facts={"kind": "of a later release"})
        assert desk.deliver() == 0
        assert (desk.deliveries()[0].problem, desk.messages()[0].state) == ("it failed on our side", "waiting")


class TestManyAndSlow:
    def test_one_tenants_slow_addresses_hold_up_nobody_else(
        self, desk: Desk, cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivering, "TAKES_S", 2.0)
        arrived: list[float] = []
        theirs = Desk(cast.globex, desk.clock)
        with raw_server(lambda silent: time.sleep(4)) as silent:
            for _ in range(20):
                desk.channel(address=f"http://127.0.0.1:{silent.port}/")
            theirs.channel(address=receiver.url)
            desk.raised()
            theirs.raised()
            began = time.monotonic()
            monkeypatch.setattr(delivering, "record", noting(arrived, began))
            desk.deliver()
            assert len(silent.visits) == outbox.MOST_OF_A_TENANT
        assert len(receiver.asked) == 1
        assert arrived[0] < 1.5, "the quick one is written down while the slow ones are waited for"

    def test_a_channel_gets_its_messages_one_after_the_other_and_all_in_one_tick(self, desk: Desk, receiver: Receiver) -> None:
        desk.channel(address=receiver.url)
        alerts = [desk.raised(f"provider-{number}") for number in range(12)]
        assert desk.deliver() == 12
        assert [json.loads(body)["data"]["alerts"][0]["id"] for _, body in receiver.asked] == [str(alert.pk) for alert in alerts]

    def test_a_giant_a_dripping_and_a_babbling_receiver_cost_no_more_than_their_time(
        self, desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("billing.alerting.sending.POST_S", 1.0)

        def giant(to: socket.socket) -> None:
            request_of(to)
            to.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                to.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")

        def endless(to: socket.socket) -> None:
            request_of(to)
            to.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                to.sendall(b"x-more: and more\r\n" * 500)

        def dripping(to: socket.socket) -> None:
            request_of(to)
            while True:
                to.sendall(b"H")
                time.sleep(0.1)

        with raw_server(giant) as one, raw_server(endless) as two, raw_server(dripping) as three:
            for raw in (one, two, three):
                desk.channel(address=f"http://127.0.0.1:{raw.port}/", name=f"{raw.port}")
            desk.raised()
            began = time.monotonic()
            assert desk.deliver() == 1
            assert time.monotonic() - began < 10
        assert [one.is_ok for one in desk.deliveries()].count(True) == 1


def noting(arrived: list[float], began: float) -> Callable[..., None]:
    def record(*args: Any, **kwargs: Any) -> None:
        arrived.append(time.monotonic() - began)
        outbox.record(*args, **kwargs)

    return record


def test_a_digest_arrives_as_one_message_that_says_what_is_over_by_then(desk: Desk, receiver: Receiver) -> None:
    desk.rule(desk.channel(address=receiver.url), pace="hourly")
    for name in ("openai", "groq", "cohere"):
        desk.raised(name)
    desk.deliver()
    assert receiver.asked == []
    with tenant_scope(desk.tenant.pk):
        desk.clock.tick(minutes=5)
        end_alerts(kind=AlertKind.PROVIDER_DOWN, subject="groq", now=desk.clock())
    desk.clock.tick(minutes=55)
    assert desk.deliver() == 1
    told = json.loads(receiver.asked[0][1])
    assert (told["type"], told["data"]["title"]) == ("alert.digest", "3 alerts of Acme Inc.")
    assert [one["ended_at"] is not None for one in told["data"]["alerts"]] == [False, True, False]


def test_stored_addresses_are_encrypted_and_readable_after_the_keys_were_rotated(desk: Desk, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["the-old-key"]
    channel = desk.channel("slack", address="https://hooks.slack.com/services/T/B/TOKEN")
    with tenant_scope(desk.tenant.pk):
        AlertChannel.objects.filter(pk=channel.pk).update(old_secret=Secret("whsec_old"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT address FROM billing_alertchannel WHERE id = %s", [channel.pk])
            assert b"TOKEN" not in bytes(cursor.fetchone()[0])
    settings.CREDENTIAL_KEYS = ["the-new-key", "the-old-key"]
    call_command("rotate_credentials", stdout=StringIO())
    settings.CREDENTIAL_KEYS = ["the-new-key"]
    stored = desk.stored(channel)
    assert (stored.address.reveal(), stored.old_secret.reveal()) == ("https://hooks.slack.com/services/T/B/TOKEN", "whsec_old")


def now() -> Any:
    """The standard's library compares with the real clock."""
    return timezone.now()
