"""A report is due on a working day of the zone, and is about what was over by then."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from billing.engine.schedules import Every, next_due


@pytest.mark.parametrize(
    ("every", "working_day", "after", "at", "first", "last"),
    [
        (Every.MONTH, 2, "2026-10-20T00:00Z", "2026-11-03T05:00Z", "2026-10-01", "2026-10-31"),
        (Every.MONTH, 2, "2026-11-03T05:00Z", "2026-12-02T05:00Z", "2026-11-01", "2026-11-30"),
        (Every.MONTH, 1, "2026-10-31T23:30Z", "2026-11-02T05:00Z", "2026-10-01", "2026-10-31"),
        (Every.WEEK, 1, "2026-10-25T12:00Z", "2026-10-26T05:00Z", "2026-10-19", "2026-10-25"),
        (Every.WEEK, 5, "2026-10-26T00:00Z", "2026-10-30T05:00Z", "2026-10-19", "2026-10-25"),
        (Every.DAY, 1, "2026-10-24T05:00Z", "2026-10-25T05:00Z", "2026-10-24", "2026-10-24"),
        (Every.DAY, 1, "2026-10-24T03:59Z", "2026-10-24T04:00Z", "2026-10-23", "2026-10-23"),
    ],
)
def test_at_six_in_berlin(every: Every, working_day: int, after: str, at: str, first: str, last: str) -> None:
    due = next_due(every=every, working_day=working_day, hour=6, zone="Europe/Berlin", after=datetime.fromisoformat(after))
    assert (due.at, due.first, due.last) == (datetime.fromisoformat(at), date.fromisoformat(first), date.fromisoformat(last))


@given(
    every=some.sampled_from(Every), working_day=some.integers(1, 5), hour=some.integers(0, 23),
    zone=some.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
    after=some.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001 - the zone comes below
)  # fmt: skip
def test_reports_follow_one_another_without_a_gap(every: Every, working_day: int, hour: int, zone: str, after: datetime) -> None:
    due = next_due(every=every, working_day=working_day, hour=hour, zone=zone, after=after.replace(tzinfo=UTC))
    following = next_due(every=every, working_day=working_day, hour=hour, zone=zone, after=due.at)
    assert due.at > after.replace(tzinfo=UTC)
    assert due.first <= due.last
    assert following.first == due.last + timedelta(days=1)
