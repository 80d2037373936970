"""Which alerts a rule wants, and when their messages leave: across quiet hours, days and clock changes."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.engine.alerts.events import Severity
from billing.engine.alerts.rules import DEFAULTS, WAITS, ChannelKind, Pace, RuleTerms, due_of, next_try_at

BERLIN = "Europe/Berlin"
NIGHT = RuleTerms(quiet_from=time(22), quiet_until=time(7))


def local(text: str, zone: str = BERLIN, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def leaves(terms: RuleTerms, at: datetime, *, severity: Severity = Severity.WARNING, zone: str = BERLIN) -> tuple[datetime, bool]:
    return tuple(due_of(terms, severity=severity, now=at, zone=zone))  # type: ignore[return-value]


class TestWhatIsWanted:
    @pytest.mark.parametrize(
        ("terms", "wanted"),
        [
            (RuleTerms(), True), (RuleTerms(kinds=frozenset({"anomaly"})), False), (RuleTerms(kinds=frozenset({"budget_mark", "anomaly"})), True),
            (RuleTerms(scopes=frozenset({"tag"})), False), (RuleTerms(scopes=frozenset({"tenant"})), True),
            (RuleTerms(min_severity=Severity.CRITICAL), False), (RuleTerms(max_severity=Severity.INFO), False),
            (RuleTerms(min_amount_nusd=501), False), (RuleTerms(min_amount_nusd=500), True),
        ],
    )  # fmt: skip
    def test_every_part_of_a_rule_can_leave_an_alert_out(self, terms: RuleTerms, wanted: bool) -> None:
        assert terms.wants(kind="budget_mark", severity=Severity.WARNING, scope="tenant", amount_nusd=500) is wanted

    def test_what_is_about_no_budget_or_no_money_is_not_left_out_for_it(self) -> None:
        picky = RuleTerms(scopes=frozenset({"tag"}), min_amount_nusd=10**12)
        assert picky.wants(kind="provider_down", severity=Severity.CRITICAL)

    def test_without_rules_people_hear_at_once_what_is_wrong_a_pager_what_is_critical_and_a_machine_everything(self) -> None:
        def at_once(kind: ChannelKind, severity: Severity) -> bool:
            return any(terms.pace is Pace.AT_ONCE and terms.wants(kind="anomaly", severity=severity) for terms in DEFAULTS[kind])

        table = {kind: [at_once(kind, severity) for severity in Severity] for kind in ChannelKind}
        assert table == {
            "email": [False, True, True], "slack": [False, True, True], "teams": [False, True, True], "webhook": [True, True, True],
            "pagerduty": [False, False, True],
        }
        assert all(any(terms.wants(kind="anomaly", severity=Severity.INFO) for terms in DEFAULTS[kind]) for kind in ("email", "slack", "teams"))


class TestQuietHours:
    @pytest.mark.parametrize(
        ("at", "until"),
        [("2026-11-26T21:59:59", None), ("2026-11-26T22:00", "2026-11-27T07:00"), ("2026-11-26T23:30", "2026-11-27T07:00"),
         ("2026-11-27T00:10", "2026-11-27T07:00"), ("2026-11-27T06:59:59", "2026-11-27T07:00"), ("2026-11-27T07:00", None)],
    )  # fmt: skip
    def test_a_night_goes_over_midnight(self, at: str, until: str | None) -> None:
        expected = (local(until), True) if until else (local(at), False)
        assert leaves(NIGHT, local(at)) == expected

    def test_hours_within_a_day(self) -> None:
        lunch = RuleTerms(quiet_from=time(12), quiet_until=time(13, 30))
        assert leaves(lunch, local("2026-11-26T12:15")) == (local("2026-11-26T13:30"), True)
        assert leaves(lunch, local("2026-11-26T13:30")) == (local("2026-11-26T13:30"), False)

    def test_critical_ones_pass_where_they_may(self) -> None:
        at = local("2026-11-26T23:30")
        assert leaves(NIGHT, at, severity=Severity.CRITICAL) == (at, False)
        strict = RuleTerms(quiet_from=time(22), quiet_until=time(7), critical_passes=False)
        assert leaves(strict, at, severity=Severity.CRITICAL) == (local("2026-11-27T07:00"), True)

    def test_the_night_of_the_clock_change_in_autumn_is_an_hour_longer(self) -> None:
        at = local("2026-10-24T22:00")
        due, _ = leaves(NIGHT, at)
        assert (due, due - at) == (datetime(2026, 10, 25, 6, tzinfo=UTC), timedelta(hours=10))

    def test_the_night_of_the_clock_change_in_spring_is_an_hour_shorter(self) -> None:
        at = local("2026-03-28T22:00")
        due, _ = leaves(NIGHT, at)
        assert (due, due - at) == (datetime(2026, 3, 29, 5, tzinfo=UTC), timedelta(hours=8))

    def test_an_end_that_happens_twice_is_its_first_and_one_that_is_skipped_is_an_hour_later_on_the_clock(self) -> None:
        until_half_past_two = RuleTerms(quiet_from=time(22), quiet_until=time(2, 30))
        twice, _ = leaves(until_half_past_two, local("2026-10-25T01:00"))
        assert twice == local("2026-10-25T02:30", fold=0) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        second = local("2026-10-25T02:15", fold=1)
        assert leaves(until_half_past_two, second) == (second, False)
        skipped, _ = leaves(until_half_past_two, local("2026-03-29T01:00"))
        assert skipped.astimezone(ZoneInfo(BERLIN)).isoformat() == "2026-03-29T03:30:00+02:00"


class TestPaces:
    def test_an_hourly_message_leaves_at_the_next_full_hour_of_the_tenants_clock(self) -> None:
        hourly = RuleTerms(pace=Pace.HOURLY)
        assert leaves(hourly, local("2026-11-26T14:05:09")) == (local("2026-11-26T15:00"), True)
        assert leaves(hourly, local("2026-11-26T14:05", "Asia/Kolkata"), zone="Asia/Kolkata") == (local("2026-11-26T15:00", "Asia/Kolkata"), True)
        on_the_hour = local("2026-11-26T15:00")
        assert leaves(hourly, on_the_hour) == (on_the_hour + timedelta(hours=1), True)

    def test_a_daily_message_leaves_at_its_hour(self) -> None:
        daily = RuleTerms(pace=Pace.DAILY, digest_hour=8)
        assert leaves(daily, local("2026-11-26T07:59")) == (local("2026-11-26T08:00"), True)
        assert leaves(daily, local("2026-11-26T08:00")) == (local("2026-11-27T08:00"), True)
        assert leaves(daily, local("2026-10-24T12:00")) == (local("2026-10-25T08:00"), True)

    def test_one_that_would_leave_in_the_quiet_hours_waits_for_their_end(self) -> None:
        terms = RuleTerms(pace=Pace.HOURLY, quiet_from=time(22), quiet_until=time(7))
        assert leaves(terms, local("2026-11-26T21:30"), severity=Severity.CRITICAL) == (local("2026-11-27T07:00"), True)


class TestTries:
    def test_waits_grow_to_about_a_day_and_then_it_is_given_up(self) -> None:
        now = at = datetime(2026, 11, 26, tzinfo=UTC)
        for attempts in range(1, len(WAITS) + 1):
            again = next_try_at(attempts=attempts, now=at, chance=0.0)
            assert again is not None
            at = again
        assert at - now == timedelta(hours=27, minutes=35, seconds=5)
        assert next_try_at(attempts=len(WAITS) + 1, now=now, chance=0.0) is None

    def test_chance_spreads_the_tries(self) -> None:
        now = datetime(2026, 11, 26, tzinfo=UTC)
        assert next_try_at(attempts=2, now=now, chance=0.5) == now + timedelta(seconds=330)

    def test_a_receiver_that_asks_for_time_gets_it_up_to_an_hour(self) -> None:
        now = datetime(2026, 11, 26, tzinfo=UTC)
        assert next_try_at(attempts=1, now=now, chance=0.0, asked=timedelta(seconds=90)) == now + timedelta(seconds=90)
        assert next_try_at(attempts=1, now=now, chance=0.0, asked=timedelta(days=90)) == now + timedelta(hours=1)
        assert next_try_at(attempts=3, now=now, chance=0.0, asked=timedelta(seconds=1)) == now + timedelta(minutes=30)
