"""Steps and what they are alike in: gaps, unknown days, weekdays, hours on the clock when clocks change."""

from datetime import UTC, date, datetime, timedelta

import pytest

from billing.engine.forecasting.series import Calendar, Step, daily_series, hourly_series


def test_a_day_without_spend_is_nothing_and_an_unknown_day_is_not_known() -> None:
    series = daily_series(
        {date(2026, 9, 1): 5, date(2026, 9, 4): 7}, first_on=date(2026, 9, 1), last_on=date(2026, 9, 5), unknown={date(2026, 9, 3)}
    )
    assert series.amounts_nusd == [5, 0, None, 7, 0]
    assert series.calendar.begins(5) == date(2026, 9, 6)


def test_hours_follow_one_another_in_utc() -> None:
    first = datetime(2026, 10, 24, 23, tzinfo=UTC)
    series = hourly_series({first + timedelta(hours=2): 3}, first_at=first, last_at=first + timedelta(hours=3), zone="Europe/Berlin")
    assert series.amounts_nusd == [0, 0, 3, 0]
    assert series.calendar.begins(4) == datetime(2026, 10, 25, 3, tzinfo=UTC)


def test_days_are_alike_by_weekday_and_weeks_are_all_alike() -> None:
    assert Calendar(step=Step.DAY, start=date(2026, 9, 10)).positions(5) == [3, 4, 5, 6, 0]
    assert Calendar(step=Step.WEEK, start=date(2026, 9, 7)).positions(3) == [0, 0, 0]


@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2026, 10, 24, 22, tzinfo=UTC), [0, 1, 2, 2, 3]), (datetime(2026, 3, 28, 23, tzinfo=UTC), [0, 1, 3, 4, 5])],
)
def test_hours_are_alike_by_the_clock_also_on_days_of_25_and_23_hours(start: datetime, hours: list[int]) -> None:
    assert Calendar(step=Step.HOUR, start=start, zone="Europe/Berlin").positions(5) == hours


def test_a_week_before_an_hour_is_the_same_time_on_the_clock() -> None:
    calendar = Calendar(step=Step.HOUR, start=datetime(2026, 10, 18, 22, tzinfo=UTC), zone="Europe/Berlin")
    before, after = 6 * 24, 8 * 24 + 1
    assert calendar.cycle_before(before) == before - 168
    assert calendar.cycle_before(after) == after - 169
    assert calendar.positions(after + 1)[after] == calendar.positions(after)[after - 169]


def test_a_year_before_a_day_is_the_same_weekday() -> None:
    assert Calendar(step=Step.DAY, start=date(2026, 1, 1)).cycle_before(400) == 36
    assert Calendar(step=Step.WEEK, start=date(2026, 1, 1)).cycle_before(60) == 8


@pytest.mark.parametrize(
    ("step", "start"), [(Step.HOUR, date(2026, 9, 7)), (Step.HOUR, datetime(2026, 9, 7)), (Step.DAY, datetime(2026, 9, 7, tzinfo=UTC))]  # noqa: DTZ001
)
def test_a_calendar_that_starts_with_the_wrong_kind_of_moment_is_refused(step: Step, start: date) -> None:
    with pytest.raises(ValueError, match="starts at"):
        Calendar(step=step, start=start)
