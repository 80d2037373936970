"""Alerts, channels and rules over REST: what is shown, what is refused, secrets that come out once, and tests that are sent."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from billing.alerting import AnomalyFound, BudgetMarkPassed, ProviderDown, UnpricedModel, raise_alert
from billing.alerting.delivering import deliver_alerts
from billing.models import Alert, AlertChannel, AlertRule, Budget
from tenants.scoping import tenant_scope
from tenants.webhooks import new_webhook_secret
from tests.cast import Cast
from tests.rest import Rest
from tests.webhooks import Receiver, receiving, verified

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOOK = {"name": "ours", "kind": "webhook", "address": "https://acme.example/alerts?token=TOKEN"}
SLACK = {"name": "#llm", "kind": "slack", "address": "https://hooks.slack.com/services/T0/B0/TOKEN"}
MAIL = {"name": "people", "kind": "email", "recipients": ["olga@example.com"]}
PAGER = {"name": "pager", "kind": "pagerduty", "address": "R" * 32}


@pytest.fixture
def acme(cast: Cast, settings: Any) -> Rest:
    settings.ALLOW_PRIVATE_ENDPOINTS = []
    return Rest(cast.acme_admin_key)


@pytest.fixture
def receiver(settings: Any) -> Any:
    with receiving() as kept:
        settings.ALLOW_PRIVATE_ENDPOINTS = ["127.0.0.0/8"]
        yield kept


def raised(cast: Cast) -> list[Alert]:
    with tenant_scope(cast.acme.pk):
        budget = Budget.objects.create(scope="end_user", period="daily", limit_nusd=10**9)
        events = [
            ProviderDown(connection="openai", seen_at=NOON, failures=9, calls=12, minutes=5),
            UnpricedModel(model="gpt-9", connection="openai", seen_at=NOON, booked=3),
            BudgetMarkPassed(
                budget=budget.pk, scope="end_user", period="daily", action="block", start_at=NOON, end_at=NOON + timedelta(days=1), limit_nusd=10**9,
                spent_nusd=10**9, percent=100, end_user=cast.ann.pk, of_each=True,
            ),
            AnomalyFound(dimension="end_user", value=str(cast.ben.pk), started_at=NOON, expected_nusd=10**9, actual_nusd=3 * 10**9),
        ]
        made = [raise_alert(event=event, now=NOON + timedelta(minutes=number)) for number, event in enumerate(events)]
        return [alert for alert in made if alert]


class TestAlerts:
    def test_they_are_shown_in_words_and_in_figures(self, cast: Cast, acme: Rest, settings: Any) -> None:
        settings.SITE_URL = "https://cf.example.com"
        raised(cast)
        listed = acme.get("alerts/").json()["results"]
        assert [alert["title"] for alert in listed] == [
            "Unusual spend of end user ben: $3.00, expected $1.00", "Daily budget of each end user (ann): 100 % is spent",
            "Model gpt-9 has no price: 3 calls booked at nothing", "Provider openai is failing: 9 of 12 calls in 5 minutes",
        ]  # fmt: skip
        mark = acme.get(f"alerts/{listed[1]['id']}/").json()
        assert mark == listed[1]
        assert (mark["amount"], mark["details"]["limit"], mark["severity"], mark["end_user_id"]) == ("1", "1", "info", str(cast.ann.pk))
        assert mark["facts"][0] == {"name": "Spent", "value": "$1.00 of $1.00"}
        assert mark["url"] == f"https://cf.example.com/o/acme/budgets/{mark['budget']}/"
        assert listed[3]["amount"] is None

    def test_a_page_of_them_asks_the_database_as_often_as_one(self, cast: Cast, acme: Rest, django_assert_max_num_queries: Any) -> None:
        raised(cast)
        with django_assert_max_num_queries(16):
            acme.get("alerts/")

    @pytest.mark.parametrize(
        ("query", "number"),
        [("state=open", 4), ("state=resolved", 0), ("state=open&state=resolved", 4), ("kind=anomaly", 1), ("kind=anomaly&kind=provider_down", 2),
         ("severity=critical", 1), ("raised_after=2026-11-26T12:02:00Z", 2), ("raised_before=2026-11-26T12:02:00Z", 2)],
    )  # fmt: skip
    def test_they_are_filtered(self, cast: Cast, acme: Rest, query: str, number: int) -> None:
        raised(cast)
        assert len(acme.get(f"alerts/?{query}").json()["results"]) == number

    @pytest.mark.parametrize("query", ["kind=nope", "state=7", "budget=x", "raised_after=soon", "nope=1", "severity=", "cursor=x", "limit=0"])
    def test_filters_that_are_none_are_told(self, acme: Rest, query: str) -> None:
        assert acme.get(f"alerts/?{query}").status_code == 400

    def test_somebody_sees_to_one_and_says_that_it_is_over(self, cast: Cast, acme: Rest) -> None:
        alert = raised(cast)[0]
        seen = acme.send("post", f"alerts/{alert.pk}/acknowledge/", {"note": "I look"}).json()
        assert (seen["state"], seen["acknowledged_by"][:7], seen["note"]) == ("acknowledged", "API key", "I look")
        over = acme.send("post", f"alerts/{alert.pk}/resolve/", {}).json()
        assert (over["state"], over["title"]) == ("resolved", "Provider openai answers again")
        again = acme.send("post", f"alerts/{alert.pk}/acknowledge/", {})
        assert (again.status_code, again.json()["code"]) == (409, "alert_resolved")

    @pytest.mark.parametrize("body", [{"note": {"a": 1}}, {"note": "x" * 501}, {"note": None}, {"note": ["x"]}])
    def test_a_note_that_is_none_is_told(self, cast: Cast, acme: Rest, body: Any) -> None:
        assert acme.send("post", f"alerts/{raised(cast)[0].pk}/acknowledge/", body).status_code == 400

    def test_nobody_writes_or_deletes_one(self, cast: Cast, acme: Rest) -> None:
        alert = raised(cast)[0]
        for method, path in (("post", "alerts/"), ("patch", f"alerts/{alert.pk}/"), ("delete", f"alerts/{alert.pk}/")):
            assert acme.send(method, path, {}).status_code == 405


class TestChannels:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({**HOOK, "address": "http://169.254.169.254/latest"}, "address"), ({**HOOK, "address": "https://10.0.0.1/"}, "address"),
            ({**HOOK, "address": "https://[::ffff:127.0.0.1]/"}, "address"), ({**HOOK, "address": "ftp://acme.example"}, "address"),
            ({**HOOK, "address": "https://user:TOKEN@acme.example/"}, "address"), ({**HOOK, "address": "http://acme.example/"}, "address"),
            ({**HOOK, "address": "https://acme.example/#TOKEN"}, "address"), ({**HOOK, "address": f"https://acme.example/{'x' * 1000}"}, "address"),
            ({**HOOK, "address": 7}, "address"), ({**HOOK, "address": None}, "address"), ({**HOOK, "address": ""}, "address"),
            ({"name": "x", "kind": "webhook"}, "address"), ({**MAIL, "address": "https://acme.example"}, "address"),
            ({**MAIL, "recipients": []}, "recipients"), ({**MAIL, "recipients": ["olga"]}, "recipients"),
            ({**MAIL, "recipients": ["olga@example.com\r\nBcc: x@example.com"]}, "recipients"),
            ({**MAIL, "recipients": "olga@example.com"}, "recipients"),
            ({**MAIL, "recipients": [f"p{number}@example.com" for number in range(21)]}, "recipients"),
            ({**HOOK, "recipients": ["olga@example.com"]}, "recipients"),
            ({**PAGER, "address": "TOKEN"}, "address"), ({**PAGER, "address": "R" * 31 + "é"}, "address"),
            ({**HOOK, "kind": "fax"}, "kind"), ({**HOOK, "name": ""}, "name"), ({**HOOK, "name": "x" * 65}, "name"),
            ({**HOOK, "secret": "TOKEN"}, "secret"), ({**SLACK, "secret": new_webhook_secret()}, "secret"),
            ({**HOOK, "failing_since": "2026-01-01T00:00:00Z"}, "failing_since"), ({**HOOK, "surprise": 1}, "surprise"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_told_by_field_and_no_secret_is_repeated(self, cast: Cast, acme: Rest, body: dict[str, Any], field: str) -> None:
        answer = acme.send("post", "alert-channels/", body)
        assert answer.status_code == 400, answer.content
        assert [name.split(".")[0] for name in answer.json()["errors"]] == [field]
        assert b"TOKEN" not in answer.content
        with tenant_scope(cast.acme.pk):
            assert not AlertChannel.objects.exists()

    @pytest.mark.parametrize(
        ("body", "shown"),
        [(HOOK, "https://acme.example/…"), (SLACK, "https://hooks.slack.com/…"), (MAIL, ""), (PAGER, "…RRRR"),
         ({"name": "t", "kind": "teams", "address": "https://prod-1.example.com/w?sig=TOKEN"}, "https://prod-1.example.com/…")],
    )  # fmt: skip
    def test_an_address_goes_in_and_never_comes_out(self, acme: Rest, body: dict[str, Any], shown: str) -> None:
        made = acme.make("alert-channels/", **body)
        assert (made["address_shown"], made["state"]) == (shown, "untried")
        for answer in (acme.get("alert-channels/"), acme.get(f"alert-channels/{made['id']}/")):
            assert b"TOKEN" not in answer.content
            assert b"whsec_" not in answer.content
        assert (made["secret"] is not None) == (body["kind"] == "webhook")

    def test_a_secret_is_shown_once_and_rolled_with_an_overlap(self, acme: Rest) -> None:
        own = new_webhook_secret()
        made = acme.make("alert-channels/", **HOOK, secret=own)
        assert made["secret"] == own
        path = f"alert-channels/{made['id']}/"
        rolled = acme.send("post", f"{path}roll/", {"overlap": "24h"})
        assert rolled.status_code == 201
        assert rolled.json()["secret"] not in (own, None)
        assert rolled.json()["old_secret_until"]
        assert acme.send("post", f"{path}roll/", {"overlap": "9y"}).status_code == 400
        assert acme.send("patch", path, {"secret": own}).status_code == 400
        slack = acme.make("alert-channels/", **SLACK)
        assert acme.send("post", f"alert-channels/{slack['id']}/roll/", {"overlap": "1h"}).json()["code"] == "not_signed"

    def test_a_change_keeps_what_is_not_said_and_a_new_address_gets_a_new_try(self, cast: Cast, acme: Rest) -> None:
        made = acme.make("alert-channels/", **HOOK)
        path = f"alert-channels/{made['id']}/"
        with tenant_scope(cast.acme.pk):
            AlertChannel.objects.update(failing_since=NOON, is_active=False, off_because="it answered with the status 410", last_problem="x")
        assert acme.get(path).json()["state"] == "off"
        changed = acme.send("patch", path, {"address": "https://acme.example/new", "is_active": True}).json()
        assert (changed["state"], changed["off_because"], changed["last_problem"]) == ("untried", "", "")
        assert acme.send("patch", path, {"kind": "slack"}).status_code == 400
        assert acme.send("patch", path, {"address": "https://10.0.0.1/"}).status_code == 400
        with tenant_scope(cast.acme.pk):
            assert AlertChannel.objects.get().address.reveal() == "https://acme.example/new"
        assert acme.send("delete", path).status_code == 204

    def test_a_name_is_given_once_and_twenty_channels_are_the_most(self, acme: Rest) -> None:
        acme.make("alert-channels/", **MAIL)
        twice = acme.send("post", "alert-channels/", MAIL)
        assert (twice.status_code, twice.json()["code"]) == (409, "exists_already")
        for number in range(19):
            acme.make("alert-channels/", **{**MAIL, "name": f"people {number}"})
        assert acme.send("post", "alert-channels/", {**MAIL, "name": "more"}).json()["code"] == "too_many_channels"

    def test_a_test_is_sent_now_and_says_what_came_back(self, acme: Rest, receiver: Receiver) -> None:
        made = acme.make("alert-channels/", **{**HOOK, "address": receiver.url})
        path = f"alert-channels/{made['id']}/"
        told = acme.send("post", f"{path}test/").json()
        assert (told["is_ok"], told["status_code"], told["problem"], told["excerpt"]) == (True, 200, "", '{"action": "allow"}')
        assert verified(*receiver.asked[0], secret=made["secret"])
        assert json.loads(receiver.asked[0][1])["type"] == "alert.test"
        again = acme.send("post", f"{path}test/")
        assert (again.status_code, again.json()["code"], len(receiver.asked)) == (409, "tested_just_now", 1)
        assert acme.get(path).json()["state"] == "working"
        (one,) = acme.get(f"{path}deliveries/").json()["results"]
        assert (one["event"], one["is_ok"], one["status_code"], one["message_id"]) == ("alert.test", True, 200, receiver.asked[0][0]["webhook-id"])

    def test_a_test_that_fails_says_why_and_is_not_tried_again(self, cast: Cast, acme: Rest, receiver: Receiver) -> None:
        receiver.status = 404
        made = acme.make("alert-channels/", **{**SLACK, "address": receiver.url})
        path = f"alert-channels/{made['id']}/"
        told = acme.send("post", f"{path}test/").json()
        assert (told["is_ok"], told["status_code"], told["problem"]) == (False, 404, "it answered with the status 404")
        assert acme.get(path).json()["state"] == "retrying"
        (message,) = acme.get(f"{path}messages/").json()["results"]
        assert (message["event"], message["state"]) == ("alert.test", "given_up")
        assert acme.send("post", f"{path}replay/", {"message": message["id"]}).status_code == 400

    def test_a_test_of_a_channel_whose_secret_is_lost_is_a_problem_in_words(self, cast: Cast, acme: Rest) -> None:
        made = acme.make("alert-channels/", **HOOK)
        with tenant_scope(cast.acme.pk), connection.cursor() as cursor:
            cursor.execute("UPDATE billing_alertchannel SET address = 'lost'")
        told = acme.send("post", f"alert-channels/{made['id']}/test/").json()
        assert (told["is_ok"], told["status_code"]) == (False, None)
        assert "cannot be read" in told["problem"]
        assert acme.get(f"alert-channels/{made['id']}/").json()["address_shown"] == ""

    def test_a_message_is_sent_again_under_its_id(self, cast: Cast, acme: Rest, receiver: Receiver) -> None:
        made = acme.make("alert-channels/", **{**HOOK, "address": receiver.url})
        raised(cast)
        for _ in range(2):
            deliver_alerts(clock=lambda: NOON + timedelta(minutes=9))
            path = f"alert-channels/{made['id']}/"
            message = acme.get(f"{path}messages/").json()["results"][0]
            assert message["state"] == "sent"
            again = acme.send("post", f"{path}replay/", {"message": message["id"]}).json()
            assert (again["state"], again["attempts"]) == ("waiting", 0)
            assert acme.send("post", f"{path}replay/", {"message": message["id"]}).json()["code"] == "message_waiting"
            with tenant_scope(cast.acme.pk):
                AlertChannel.objects.get().messages.update(due_at=NOON)
        ids = [headers["webhook-id"] for headers, _ in receiver.asked]
        assert (len(ids), len(set(ids))) == (5, 4)
        assert acme.send("post", f"{path}replay/", {"message": made["id"]}).status_code == 400
        shown = acme.get(f"alerts/{message['alert_ids'][0]}/deliveries/").json()["results"]
        assert [one["attempt"] for one in shown] == [1, 1]


class TestRules:
    def channel(self, acme: Rest) -> str:
        return str(acme.make("alert-channels/", **MAIL)["id"])

    def test_one_says_which_alerts_and_when(self, acme: Rest) -> None:
        channel = self.channel(acme)
        made = acme.make(
            "alert-rules/", channel=channel, kinds=["anomaly", "budget_mark", "anomaly"], scopes=["tier"], min_severity="info", min_amount="2.5",
            pace="daily", digest_hour=7, quiet_from="22:00", quiet_until="07:30", critical_passes=False, tells_end=True, name="nights",
        )
        assert (made["kinds"], made["min_amount"], made["quiet_from"], made["quiet_until"]) == (["anomaly", "budget_mark"], "2.5", "22:00", "07:30")
        changed = acme.send("patch", f"alert-rules/{made['id']}/", {"quiet_from": None, "quiet_until": None, "is_active": False}).json()
        assert (changed["quiet_from"], changed["is_active"], changed["digest_hour"]) == (None, False, 7)
        assert acme.send("delete", f"alert-rules/{made['id']}/").status_code == 204

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"kinds": ["nope"]}, "kinds"), ({"kinds": "anomaly"}, "kinds"), ({"kinds": ["anomaly"] * 99}, "kinds"), ({"scopes": ["nope"]}, "scopes"),
            ({"min_severity": "loud"}, "min_severity"), ({"min_amount": -1}, "min_amount"), ({"min_amount": 0.5}, "min_amount"),
            ({"min_amount": "9" * 30}, "min_amount"), ({"pace": "weekly"}, "pace"), ({"digest_hour": 24}, "digest_hour"),
            ({"digest_hour": "noon"}, "digest_hour"), ({"quiet_from": "22:00"}, "quiet_until"), ({"quiet_until": "07:00"}, "quiet_until"),
            ({"quiet_from": "07:00", "quiet_until": "07:00"}, "quiet_until"), ({"quiet_from": "25:00", "quiet_until": "07:00"}, "quiet_from"),
            ({"channel": "x"}, "channel"), ({"channel": None}, "channel"), ({"name": "x" * 201}, "name"), ({"surprise": 1}, "surprise"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_told_by_field(self, cast: Cast, acme: Rest, fields: dict[str, Any], field: str) -> None:
        answer = acme.send("post", "alert-rules/", {"channel": self.channel(acme), **fields})
        assert answer.status_code == 400, answer.content
        assert [name.split(".")[0] for name in answer.json()["errors"]] == [field]
        with tenant_scope(cast.acme.pk):
            assert not AlertRule.objects.exists()

    def test_another_tenants_channel_is_none(self, cast: Cast, acme: Rest) -> None:
        theirs = Rest(cast.globex_admin_key).make("alert-channels/", **MAIL)
        answer = acme.send("post", "alert-rules/", {"channel": theirs["id"]})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["channel"])
        mine = acme.make("alert-rules/", channel=self.channel(acme))
        assert acme.send("patch", f"alert-rules/{mine['id']}/", {"channel": theirs["id"]}).status_code == 400

    def test_half_of_the_quiet_hours_is_not_taken_away(self, acme: Rest) -> None:
        made = acme.make("alert-rules/", channel=self.channel(acme), quiet_from="22:00", quiet_until="07:00")
        assert acme.send("patch", f"alert-rules/{made['id']}/", {"quiet_until": None}).status_code == 400
        assert acme.send("patch", f"alert-rules/{made['id']}/", {"quiet_until": "22:00"}).status_code == 400
        assert acme.send("patch", f"alert-rules/{made['id']}/", {"quiet_until": "06:00"}).json()["quiet_until"] == "06:00"
