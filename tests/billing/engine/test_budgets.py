from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.engine.budgets import ALWAYS, Period, window_bounds

ZONES = [
    "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "America/Havana", "Antarctica/Casey", "UTC",
    "Pacific/Fakaofo", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Australia/Lord_Howe", "Antarctica/Troll", "Asia/Tehran",
]
BOUNDED = [Period.DAILY, Period.WEEKLY, Period.MONTHLY]
instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("period", BOUNDED)
@given(zone=st.sampled_from(ZONES), instant=instants)
def test_a_window_holds_its_instant_and_the_next_one_begins_where_it_ends(period: Period, zone: str, instant: datetime) -> None:
    start, end = window_bounds(period=period, zone=zone, instant=instant)
    assert start <= instant < end
    assert window_bounds(period=period, zone=zone, instant=start) == (start, end)
    assert window_bounds(period=period, zone=zone, instant=end - timedelta(microseconds=1)) == (start, end)
    assert window_bounds(period=period, zone=zone, instant=end)[0] == end
    assert window_bounds(period=period, zone=zone, instant=start - timedelta(microseconds=1))[1] == start


@given(zone=st.sampled_from(ZONES), instant=instants)
def test_weeks_begin_on_monday_and_months_on_the_first_of_the_zones_own_calendar(zone: str, instant: datetime) -> None:
    day, week, month = (window_bounds(period=period, zone=zone, instant=instant) for period in BOUNDED)
    local = ZoneInfo(zone)
    assert week[0].astimezone(local).weekday() == 0
    assert month[0].astimezone(local).day == 1
    for wider in (week, month):
        assert wider[0] <= day[0] < day[1] <= wider[1]
    assert timedelta(days=6) <= week[1] - week[0] <= timedelta(days=8)
    assert timedelta(days=27) <= month[1] - month[0] <= timedelta(days=32)


@pytest.mark.parametrize("zone", ZONES)
def test_the_days_of_38_years_follow_one_another_without_gap_or_overlap(zone: str) -> None:
    at, last = datetime(2000, 1, 1, 12, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)
    start, end = window_bounds(period=Period.DAILY, zone=zone, instant=at)
    dates: list[date] = []
    while end < last:
        assert timedelta(hours=20) <= end - start <= timedelta(hours=28)
        dates.append((start + (end - start) / 2).astimezone(ZoneInfo(zone)).date())
        following = window_bounds(period=Period.DAILY, zone=zone, instant=end)
        assert following[0] == end
        start, end = following
    assert dates == sorted(set(dates))


@pytest.mark.parametrize(
    ("zone", "instant", "start", "end"),
    [
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours, as the docstring says
        ("Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("Asia/Kolkata", "2026-07-01T00:00", "2026-06-30T18:30", "2026-07-01T18:30"),
        ("America/Havana", "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00"),  # midnight is skipped: the day begins at 01:00
        ("America/Havana", "2025-11-02T04:30", "2025-11-02T04:00", "2025-11-03T05:00"),  # midnight happens twice: the first one counts
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", "2011-12-31T10:00"),  # the 30th never was: this is the 31st
        ("Pacific/Apia", "2011-12-30T09:59", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("America/St_Johns", "2010-11-07T02:45", "2010-11-07T02:30", "2010-11-08T03:30"),  # after 00:01 the clock goes back to the day before
        ("America/St_Johns", "2010-11-07T02:29", "2010-11-06T02:30", "2010-11-07T02:30"),
    ],
)
def test_days_around_changes_of_the_clock(zone: str, instant: str, start: str, end: str) -> None:
    found = window_bounds(period=Period.DAILY, zone=zone, instant=datetime.fromisoformat(instant).replace(tzinfo=UTC))
    assert [edge.strftime("%Y-%m-%dT%H:%M") for edge in found] == [start, end]


@settings(max_examples=20)
@given(zone=st.sampled_from(ZONES), instant=instants)
def test_a_total_budget_has_one_window_for_ever(zone: str, instant: datetime) -> None:
    assert window_bounds(period=Period.TOTAL, zone=zone, instant=instant) == ALWAYS
