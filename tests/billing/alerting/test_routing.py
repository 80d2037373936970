"""Which channels are told, when, and how many messages that makes."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from billing.alerting import LedgerBroken, end_alerts
from billing.alerting.routing import MOST_AN_HOUR_FOR_PEOPLE, route_alerts
from billing.engine.alerts.events import AlertKind, BrokenInvariant, BudgetMarkPassed
from billing.models import Alert, AlertChannel, Budget
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.billing.alerting.conftest import NOON, Desk, down

LEDGER = LedgerBroken(seen_at=NOON, invariants=[BrokenInvariant(name="I1", meaning="sums are sums", rows=1)])


def mark(desk: Desk, percent: int = 50, **fields: Any) -> BudgetMarkPassed:
    with tenant_scope(desk.tenant.pk):
        budget, _ = Budget.objects.get_or_create(scope="tenant", period="daily", limit_nusd=100)
    given = {"scope": "tenant", "period": "daily", "action": "block", "limit_nusd": 100, "spent_nusd": percent, "start_at": NOON}
    return BudgetMarkPassed(budget=budget.pk, end_at=NOON + timedelta(days=1), percent=percent, **{**given, **fields})


def over(desk: Desk, subject: str = "openai") -> None:
    with tenant_scope(desk.tenant.pk):
        end_alerts(kind=AlertKind.PROVIDER_DOWN, subject=subject, now=desk.clock())


def test_a_new_tenant_with_a_channel_is_told_without_writing_a_rule(desk: Desk) -> None:
    channel = desk.channel("slack")
    desk.raised()
    desk.raise_event(mark(desk))
    desk.route()
    at_once, daily = desk.messages()
    assert (at_once.event, at_once.channel_id, at_once.due_at, at_once.gathers) == ("alert.raised", channel.pk, NOON, False)
    assert (daily.event, daily.due_at, daily.gathers) == ("alert.digest", datetime(2026, 11, 27, 7, tzinfo=UTC), True)  # 8:00 in Berlin


def test_without_a_channel_an_alert_is_kept_and_told_nobody(desk: Desk) -> None:
    desk.raised()
    desk.route()
    desk.channel()
    desk.route()
    assert desk.messages() == []
    assert desk.alerts()[0].to_route == ""


def test_an_alert_is_routed_once_and_each_channel_gets_one_message_however_many_rules_want_it(desk: Desk) -> None:
    first, second = desk.channel(), desk.channel()
    for channel in (first, second):
        desk.rule(channel, pace="daily")
        desk.rule(channel)
        desk.rule(channel, kinds=["provider_down"])
    desk.raised()
    desk.route()
    desk.route()
    assert {message.channel_id for message in desk.messages()} == {first.pk, second.pk}
    assert [(message.event, message.due_at) for message in desk.messages()] == [("alert.raised", NOON)] * 2


def test_with_its_first_rule_a_channel_gets_what_its_rules_say_and_a_rule_that_is_off_silences_it(desk: Desk) -> None:
    picky, silent = desk.channel(name="picky"), desk.channel(name="silent")
    desk.rule(picky, kinds=["anomaly"])
    desk.rule(silent, is_active=False)
    usual = desk.channel(name="usual")
    desk.raised()
    desk.route()
    assert [message.channel_id for message in desk.messages()] == [usual.pk]


def test_scopes_severities_and_amounts_leave_out_what_they_say(desk: Desk) -> None:
    channel = desk.channel()
    rule = desk.rule(channel, scopes=["tier"])
    for terms, told in (({"scopes": ["tier"]}, 0), ({"scopes": ["tenant"]}, 1), ({"min_severity": "critical"}, 0), ({"min_amount_nusd": 81}, 0)):
        with tenant_scope(desk.tenant.pk):
            type(rule).objects.all().delete()
            Alert.objects.all().delete()
        desk.rule(channel, **terms)  # type: ignore[arg-type]
        before = len(desk.messages())
        desk.raise_event(mark(desk, 80))
        desk.route()
        assert len(desk.messages()) - before == told, terms


def test_a_digest_gathers_what_comes_until_it_leaves(desk: Desk) -> None:
    desk.rule(desk.channel(), pace="hourly", min_severity="info")
    alerts = [desk.raised(name) for name in ("openai", "groq")]
    desk.route()
    desk.clock.tick(minutes=30)
    alerts.append(desk.raised("cohere"))
    desk.route()
    (digest,) = desk.messages()
    assert (digest.event, digest.due_at, digest.alert_ids) == ("alert.digest", NOON + timedelta(hours=1), [alert.pk for alert in alerts])
    desk.clock.tick(minutes=31)
    desk.raised("vllm")
    desk.route()
    assert [message.due_at for message in desk.messages()] == [NOON + timedelta(hours=1), NOON + timedelta(hours=2)]


def test_a_digest_that_a_worker_has_taken_gathers_no_more(desk: Desk) -> None:
    desk.rule(desk.channel(), pace="hourly")
    desk.raised("openai")
    desk.route()
    (digest,) = desk.messages()
    with tenant_scope(desk.tenant.pk):
        digest.leased_until = NOON + timedelta(minutes=1)
        digest.save(update_fields=["leased_until"])
    desk.raised("groq")
    desk.route()
    assert [len(message.alert_ids) for message in desk.messages()] == [1, 1]


def test_in_quiet_hours_messages_wait_and_leave_as_one_while_critical_ones_pass(desk: Desk) -> None:
    desk.clock.now = datetime(2026, 10, 24, 21, 30, tzinfo=UTC)  # 23:30 in Berlin, before the clocks go back
    desk.rule(desk.channel(), quiet_from=time(22), quiet_until=time(7))
    desk.raised()
    for name in ("a", "b"):
        desk.raise_event(mark(desk, 80, action="warn", start_at=desk.clock(), spent_nusd=ord(name)))
        desk.clock.tick(hours=1)
        desk.route()
    critical, quiet = desk.messages()
    assert (critical.event, critical.gathers) == ("alert.raised", False)
    assert (quiet.event, quiet.due_at, len(quiet.alert_ids)) == ("alert.digest", datetime(2026, 10, 25, 6, tzinfo=UTC), 2)


def test_a_flood_is_gathered_by_the_quarter_of_an_hour(desk: Desk) -> None:
    desk.channel("slack")
    desk.clock.tick(minutes=4)
    for number in range(MOST_AN_HOUR_FOR_PEOPLE + 5):
        desk.raised(f"provider-{number}")
    desk.route()
    messages = desk.messages()
    assert [message.gathers for message in messages] == [False] * MOST_AN_HOUR_FOR_PEOPLE + [True]
    assert (len(messages[-1].alert_ids), messages[-1].due_at) == (5, NOON + timedelta(minutes=15))


def test_a_pager_is_given_each_alert_as_one_incident_however_many(desk: Desk) -> None:
    channel = desk.channel("pagerduty", address="R" * 32)
    desk.rule(channel, pace="hourly")
    for number in range(MOST_AN_HOUR_FOR_PEOPLE + 5):
        desk.raised(f"provider-{number}")
    desk.route()
    assert [message.event for message in desk.messages()] == ["alert.raised"] * (MOST_AN_HOUR_FOR_PEOPLE + 5)


class TestTheEnd:
    def test_it_is_told_where_a_rule_says_so_to_who_was_told_of_the_beginning(self, desk: Desk) -> None:
        curious, incurious = desk.channel(), desk.channel()
        desk.rule(curious, tells_end=True)
        desk.rule(incurious)
        desk.raised()
        desk.route()
        self.sent(desk)
        late = desk.channel()
        desk.rule(late, tells_end=True)
        desk.clock.tick(minutes=10)
        over(desk)
        desk.route()
        ended = desk.messages(event="alert.ended")
        assert [message.channel_id for message in ended] == [curious.pk]

    def test_what_has_not_left_yet_tells_beginning_and_end_in_one(self, desk: Desk) -> None:
        desk.rule(desk.channel(), tells_end=True)
        desk.raised()
        over(desk)
        desk.route()
        desk.route()
        assert [message.event for message in desk.messages()] == ["alert.raised"]
        desk.raised("groq")
        desk.route()
        over(desk, "groq")
        desk.route()
        assert [message.event for message in desk.messages()] == ["alert.raised"] * 2

    def test_a_budgets_window_that_ends_is_told_nobody_but_a_pager(self, desk: Desk) -> None:
        desk.rule(desk.channel(), tells_end=True, min_severity="info")
        pager = desk.channel("pagerduty", address="R" * 32)
        desk.raise_event(mark(desk, 100))
        desk.route()
        self.sent(desk)
        desk.clock.tick(days=1)
        desk.deliver()
        assert [message.channel_id for message in desk.messages(event="alert.ended")] == [pager.pk]

    @staticmethod
    def sent(desk: Desk) -> None:
        with tenant_scope(desk.tenant.pk):
            for message in desk.messages():
                message.state = "sent"
                message.save(update_fields=["state"])


def test_a_channel_is_not_told_of_itself(desk: Desk) -> None:
    from billing.alerting import ChannelFailing

    broken, other = desk.channel(), desk.channel()
    desk.raise_event(ChannelFailing(channel=broken.pk, name="x", failing_since=NOON, problem="it answered with the status 500"))
    desk.route()
    assert [message.channel_id for message in desk.messages()] == [other.pk]


def test_our_staff_is_told_of_a_broken_ledger_beside_the_tenant(desk: Desk, settings: Any) -> None:
    settings.STAFF_EMAILS = ["ops@example.com"]
    channel = desk.channel()
    desk.raise_event(LEDGER)
    desk.raised()
    desk.route()
    told = sorted(str(message.channel_id) for message in desk.messages())
    assert told == sorted([str(channel.pk), str(channel.pk), "None"])


def test_a_tenant_that_is_switched_off_and_one_whose_channels_are_off_are_told_nothing(desk: Desk) -> None:
    channel = desk.channel()
    with tenant_scope(desk.tenant.pk):
        AlertChannel.objects.filter(pk=channel.pk).update(is_active=False)
    desk.raised()
    desk.route()
    with platform_scope():
        Tenant.objects.filter(pk=desk.tenant.pk).update(is_active=False)
    with tenant_scope(desk.tenant.pk):
        AlertChannel.objects.filter(pk=channel.pk).update(is_active=True)
    desk.raised("groq")
    desk.route()
    assert desk.messages() == []


def test_tenants_are_told_of_their_own_alone(desk: Desk, cast: Any) -> None:
    theirs = Desk(cast.globex, desk.clock)
    mine, other = desk.channel(), theirs.channel()
    desk.raised()
    assert route_alerts(now=NOON) == 1
    assert [message.channel_id for message in desk.messages()] == [mine.pk]
    assert theirs.messages() == []
    theirs.raise_event(down("theirs"))
    assert route_alerts(now=NOON) == 1
    assert [message.channel_id for message in theirs.messages()] == [other.pk]


@pytest.mark.parametrize("is_given", [True, False])
def test_staff_is_written_to_where_there_is_an_address(desk: Desk, settings: Any, is_given: bool) -> None:
    settings.STAFF_EMAILS = ["ops@example.com"] if is_given else []
    desk.raise_event(LEDGER)
    desk.route()
    assert len(desk.messages(channel=None)) == is_given
