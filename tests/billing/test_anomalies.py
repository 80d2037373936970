"""What looking for anomalies does with people's answers, over many looks; the slow lane; and drafts that got worse."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from billing import anomalies
from billing.anomalies import look_at_days, look_at_quality, look_at_quarters
from billing.models import Alert, Anomaly
from billing.quarters import KEPT, QUARTER
from tenants.models import Tenant
from tenants.rounds import RoundIncomplete
from tenants.scoping import tenant_scope
from tests.history import History, history
from tests.months import tamper
from tests.shop import Shop

USD = 1_000_000_000
KEY = str(uuid.uuid4())
NEWEST = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
NOW = NEWEST + timedelta(minutes=5)
USUAL = (16, 24, 20, 18, 22)
MORNING = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
"""Half past midnight of the 24th in Berlin."""


@pytest.fixture
def past(shop: Shop, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    """A key that costs about 20 USD in each quarter of an hour, and has for as long as quarters are kept."""
    with django_db_blocker.unblock(), history() as written:
        usual(shop, written, since=NEWEST - KEPT + QUARTER, until=NEWEST)
        written.days(shop.tenant.id, {NEWEST.date() - timedelta(days=number): 96 * 20 * USD for number in range(1, 61)})
        anomalies.LEARNT = anomalies.Learnt()
        yield written
        connection.close()


def usual(shop: Shop, past: History, *, since: datetime, until: datetime) -> None:
    spent = {since + number * QUARTER: USUAL[number % len(USUAL)] * USD for number in range((until - since) // QUARTER)}
    for dimension, value in (("all", ""), ("api_key", KEY)):
        past.quarters(shop.tenant.id, spent, dimension=dimension, value=value)


def spike(shop: Shop, past: History, *, at: datetime, usd: int = 60) -> None:
    for dimension, value in (("all", ""), ("api_key", KEY)):
        past.quarters(shop.tenant.id, {at: usd * USD}, dimension=dimension, value=value)


def answer(shop: Shop, **fields: object) -> None:
    with tenant_scope(shop.tenant.id):
        Anomaly.objects.update(**fields)


def told(shop: Shop) -> int:
    with tenant_scope(shop.tenant.id):
        return Alert.objects.count()


def of_key(shop: Shop) -> list[Anomaly]:
    with tenant_scope(shop.tenant.id):
        return list(Anomaly.objects.filter(dimension="api_key").order_by("started_at"))


def test_an_anomaly_that_goes_on_is_one_and_is_told_once(shop: Shop, past: History) -> None:
    for number in range(3):
        spike(shop, past, at=NEWEST + number * QUARTER)
        look_at_quarters(now=NOW + number * QUARTER)
    (found,) = of_key(shop)
    assert found.started_at <= NEWEST
    assert found.ended_at == NEWEST + 3 * QUARTER
    assert found.actual_nusd >= 180 * USD
    assert told(shop) == 1


@pytest.mark.parametrize(("minimum", "alerts", "severity"), [(200 * USD, 0, "info"), (20 * USD, 1, "warning"), (USD, 1, "critical")])
def test_a_tenant_says_from_how_much_on_it_is_told_and_as_much_is_found(
    shop: Shop, past: History, minimum: int, alerts: int, severity: str
) -> None:  # fmt: skip
    with tenant_scope(shop.tenant.id):
        Tenant.objects.filter(pk=shop.tenant.id).update(anomaly_minimum_nusd=minimum)
    spike(shop, past, at=NEWEST)
    look_at_quarters(now=NOW)
    (found,) = of_key(shop)
    assert (told(shop), found.severity, found.actual_nusd) == (alerts, severity, 122 * USD)


def test_what_is_resolved_stays_so_while_it_goes_on(shop: Shop, past: History) -> None:
    spike(shop, past, at=NEWEST)
    look_at_quarters(now=NOW)
    answer(shop, state="resolved", resolution="expected", resolved_at=NOW)
    spike(shop, past, at=NEWEST + QUARTER)
    look_at_quarters(now=NOW + QUARTER)
    assert [row.state for row in of_key(shop)] == ["resolved"]
    assert told(shop) == 1


def test_a_snoozed_series_is_looked_at_and_not_told_until_the_time_is_over(shop: Shop, past: History) -> None:
    spike(shop, past, at=NEWEST)
    look_at_quarters(now=NOW)
    answer(shop, state="snoozed", snoozed_until=NOW + timedelta(hours=6))
    last = NEWEST
    for hours, alerts in ((4, 1), (30, 2)):
        newest = NEWEST + timedelta(hours=hours)
        usual(shop, past, since=last + QUARTER, until=newest)
        spike(shop, past, at=newest)
        look_at_quarters(now=NOW + timedelta(hours=hours))
        last = newest
        assert told(shop) == alerts
    assert [row.state for row in of_key(shop)] == ["snoozed", "open", "open"]


@pytest.mark.parametrize(("answers", "seen"), [(2, 1), (9, 0)])
def test_what_people_call_not_useful_thrice_is_found_less_easily(shop: Shop, past: History, answers: int, seen: int) -> None:
    with tenant_scope(shop.tenant.id):
        for number in range(answers):
            at = NEWEST - timedelta(days=3 + number)
            for dimension, value in (("all", ""), ("api_key", KEY)):
                Anomaly.objects.create(
                    lane="fast", kind="spike", dimension=dimension, value=value, started_at=at, ended_at=at + QUARTER, found_at=at,
                    expected_nusd=0, low_nusd=0, high_nusd=0, actual_nusd=0, excess_nusd=0, score=1, severity="info", state="resolved",
                    resolution="not_useful", drivers={}, contributors=[], facts={},
                )  # fmt: skip
    spike(shop, past, at=NEWEST, usd=36)
    look_at_quarters(now=NOW)
    assert len([row for row in of_key(shop) if row.ended_at > NEWEST]) == seen


def test_a_tenant_that_cannot_be_looked_at_stops_no_other(shop: Shop, past: History, caplog: pytest.LogCaptureFixture) -> None:
    """globex's forecast of an anomaly has facts that no release wrote."""
    spike(shop, past, at=NEWEST)
    globex = shop.cast.globex.id
    past.quarters(globex, {NEWEST - number * QUARTER: USD for number in range(40)})
    past.days(globex, {NEWEST.date() - timedelta(days=1): USD})
    with tenant_scope(globex):
        Anomaly.objects.create(
            lane="fast", kind="spike", dimension="all", value="", started_at=NEWEST - QUARTER, ended_at=NEWEST, found_at=NOW, expected_nusd=0,
            low_nusd=0, high_nusd=0, actual_nusd=0, excess_nusd=0, score=1, severity="info", drivers={}, contributors=[], facts={"of": "no release"},
        )
    with pytest.raises(RoundIncomplete, match="1 tenants"):
        look_at_quarters(now=NOW)
    assert len(of_key(shop)) == 1
    assert f"tenant {globex} had to be left out" in caplog.text


def test_a_day_that_cost_too_much_is_found_on_the_morning_after_and_once(shop: Shop, past: History) -> None:
    past.days(shop.tenant.id, {date(2026, 11, 23): 3 * 96 * 20 * USD})
    for _ in range(2):
        look_at_days(now=MORNING)
    with tenant_scope(shop.tenant.id):
        (found,) = Anomaly.objects.filter(dimension="all")
    assert (found.lane, found.kind, found.actual_nusd) == ("daily", "spike", 3 * 96 * 20 * USD)
    assert found.started_at.astimezone(UTC).date() in (date(2026, 11, 22), date(2026, 11, 23))
    assert told(shop) == 1


def test_days_are_looked_at_in_the_tenants_morning_alone(shop: Shop, past: History) -> None:
    past.days(shop.tenant.id, {date(2026, 11, 23): 3 * 96 * 20 * USD})
    look_at_days(now=MORNING + timedelta(hours=9))
    assert told(shop) == 0


DRAFTS = """
INSERT INTO billing_costentry SELECT (jsonb_populate_record(e, jsonb_build_object(
    'id', uuidv7(), 'reservation_id', gen_random_uuid(), 'preset', 'production_ready@1', 'booked_at', %s::timestamptz,
    'outcome', CASE WHEN n <= %s THEN 'rejected' ELSE 'accepted' END))).*
  FROM billing_costentry e, generate_series(1, 50) n WHERE e.reservation_id = %s
"""


@pytest.mark.parametrize(("rejected", "kinds"), [(12, []), (35, ["quality_collapse"])])
def test_drafts_that_are_rejected_far_more_often_are_a_kind_of_their_own(shop: Shop, rejected: int, kinds: list[str]) -> None:
    hold = shop.call(amount=USD // 1000, model="mini")
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for days in range(1, 21):
        tamper(DRAFTS, noon - timedelta(days=days), 10 + days % 3, hold)
    tamper(DRAFTS, noon, rejected, hold)
    for _ in range(2):
        look_at_quality(now=noon + timedelta(minutes=5))
    with tenant_scope(shop.tenant.id):
        rows = list(Anomaly.objects.all())
    tamper("DELETE FROM billing_costentry WHERE preset = 'production_ready@1' AND tenant_id = %s", shop.tenant.id)  # they have no holds
    assert [row.kind for row in rows] == kinds
    assert {(row.dimension, row.value) for row in rows} <= {("model", "mini")}
