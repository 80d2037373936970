import random
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from billing.engine.budgets import Period, window_bounds
from tests import database

SAMPLE = 20_000
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)
HARD = ["Pacific/Apia", "America/St_Johns", "America/Havana", "Antarctica/Casey", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]


@pytest.fixture
def app(django_db_setup: None) -> psycopg.Connection:
    return psycopg.connect(database.app_dsn(), autocommit=True)


def test_sql_and_python_agree_on_windows_of_all_zones(app: psycopg.Connection, record_property: Callable[[str, object], None]) -> None:
    with app:
        in_sql = {name for (name,) in app.execute("SELECT name FROM pg_timezone_names").fetchall()}
        zones = sorted(zoneinfo.available_timezones() & in_sql - {"localtime", "Factory"})
        assert len(zones) > 400
        chance = random.Random(20_000)
        seconds = int((LAST - FIRST).total_seconds())
        sample = [
            (chance.choice(HARD if number % 4 == 0 else zones), chance.choice(list(Period)), FIRST + timedelta(seconds=chance.randrange(seconds)))
            for number in range(SAMPLE)
        ]
        columns = [list(column) for column in zip(*((zone, period.value, instant) for zone, period, instant in sample), strict=True)]
        found = app.execute(
            "SELECT b.start_at, b.end_at FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS s(zone, period, instant, n),"
            " billing_window_bounds(s.period, s.zone, s.instant) b ORDER BY s.n", columns,
        ).fetchall()  # fmt: skip
    differing = [
        (zone, period, instant)
        for (zone, period, instant), row in zip(sample, found, strict=True)
        if row != window_bounds(period=period, zone=zone, instant=instant)
    ]
    # Two tz databases of different age may differ about the rules of a few zones; the algorithms may not.
    record_property("differing zones", sorted({zone for zone, _, _ in differing}))
    unexplained = [case for case in differing if _offsets_agree(app_dsn=database.app_dsn(), zone=case[0])]
    assert unexplained == []


def _offsets_agree(*, app_dsn: str, zone: str) -> bool:
    """Do both tz databases say the same of every tenth day of the sampled years?"""
    instants = [FIRST + timedelta(days=10 * n) for n in range((LAST - FIRST).days // 10)]
    with psycopg.connect(app_dsn) as app:
        rows = app.execute("SELECT i AT TIME ZONE %s FROM unnest(%s::timestamptz[]) i", [zone, instants]).fetchall()
    local = zoneinfo.ZoneInfo(zone)
    return all(instant.astimezone(local).replace(tzinfo=None) == there for instant, (there,) in zip(instants, rows, strict=True))


def test_sql_and_python_agree_to_the_microsecond_around_each_edge(app: psycopg.Connection) -> None:
    with app:
        for zone in HARD:
            for period in (Period.DAILY, Period.WEEKLY, Period.MONTHLY):
                at = datetime(2010, 3, 13, tzinfo=UTC) if zone != "Pacific/Apia" else datetime(2011, 12, 28, tzinfo=UTC)
                for _ in range(5):
                    start, end = window_bounds(period=period, zone=zone, instant=at)
                    for instant in (start, end - timedelta(microseconds=1), end):
                        row = app.execute("SELECT * FROM billing_window_bounds(%s, %s, %s)", [period.value, zone, instant]).fetchone()
                        assert row == window_bounds(period=period, zone=zone, instant=instant), (zone, period, instant)
                    at = end


def test_a_period_that_does_not_exist_is_refused(app: psycopg.Connection) -> None:
    with app, pytest.raises(psycopg.errors.RaiseException, match="unknown budget period"):
        app.execute("SELECT * FROM billing_window_bounds('hourly', 'UTC', now())")
