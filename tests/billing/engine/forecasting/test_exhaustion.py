"""When a budget will have run out."""

from datetime import UTC, date, datetime, timedelta

import pytest

from billing.engine.forecasting.exhaustion import Exhaustion, exhaustion
from billing.engine.forecasting.prediction import CostPrediction
from billing.engine.forecasting.series import Step
from tests.billing.engine.forecasting.recipes import USD, foretold, predict

FRIDAY = date(2026, 11, 20)
STEADY = foretold([(FRIDAY + timedelta(days=number), 10, 8, 13) for number in range(20)])


def ask(prediction: CostPrediction, *, spent: int, limit: int, until: date | None = None, so_far: int = 0) -> Exhaustion:
    found = exhaustion(prediction, spent_nusd=spent * USD, limit_nusd=limit * USD, until=until, so_far_nusd=so_far * USD)
    assert found is not None
    return found


def test_it_names_the_day_and_between_which_days_it_lies_four_times_in_five() -> None:
    found = ask(STEADY, spent=0, limit=100, until=date(2026, 12, 10))
    assert (found.earliest, found.expected, found.latest) == (date(2026, 11, 27), date(2026, 11, 29), date(2026, 12, 2))
    assert found.words() == "runs out on 29 November (80 %: 27 November to 2 December)"


def test_it_follows_the_path_and_not_a_straight_line() -> None:
    """20 a working day from a Friday on and nothing at weekends: 40 are gone on Monday, where a straight line of 14.3 a day says Sunday."""
    assert 40 / (100 / 7) < 3
    week = [(FRIDAY + timedelta(days=number), amount, amount, amount) for number, amount in enumerate([20, 0, 0, 20, 20, 20, 20, 20, 0, 0, 20])]
    assert ask(foretold(week), spent=0, limit=40).expected == date(2026, 11, 23)
    assert ask(foretold(week), spent=0, limit=120).expected == date(2026, 11, 27)
    assert ask(foretold(week), spent=0, limit=121).expected == date(2026, 11, 30)


def test_a_budget_that_lasts_is_not_exhausted_within_its_window() -> None:
    found = ask(STEADY, spent=0, limit=100, until=date(2026, 11, 25))
    assert (found.expected, found.earliest, found.latest, found.looked_until) == (None, None, None, date(2026, 11, 25))
    assert found.words() == "does not run out before 25 November"


def test_it_says_when_it_may_run_out_though_that_is_not_expected_or_may_last_though_it_is() -> None:
    assert ask(STEADY, spent=0, limit=100, until=date(2026, 11, 29)).words() == (
        "is not expected to run out before 29 November (80 %: 27 November or not at all)"
    )
    assert ask(STEADY, spent=0, limit=100, until=date(2026, 12, 1)).words() == "runs out on 29 November (80 %: 27 November or not at all)"


def test_a_budget_that_is_spent_has_run_out_today() -> None:
    found = ask(STEADY, spent=100, limit=100)
    assert {found.earliest, found.expected, found.latest} == {FRIDAY}


def test_what_today_has_cost_already_counts() -> None:
    assert ask(STEADY, spent=0, limit=30, so_far=25).expected == date(2026, 11, 21)
    assert ask(STEADY, spent=0, limit=30).expected == date(2026, 11, 22)


def test_it_does_not_speak_of_days_that_were_not_forecast() -> None:
    assert ask(STEADY, spent=0, limit=10_000, until=date(2027, 1, 1)).looked_until == date(2026, 12, 10)


def test_a_daily_budget_is_told_an_hour_on_the_clock_of_the_tenant() -> None:
    first = datetime(2026, 11, 24, 14, tzinfo=UTC)
    hours = foretold([(first + timedelta(hours=number), 3, 2, 4) for number in range(10)], step=Step.HOUR)
    found = ask(hours, spent=10, limit=22, until=datetime(2026, 11, 24, 23, tzinfo=UTC))
    assert found.expected == datetime(2026, 11, 24, 17, tzinfo=UTC)
    assert found.words(zone="Europe/Berlin") == "runs out at 18:00 (80 %: 17:00 to 20:00)"


@pytest.mark.parametrize("amounts", [[], [5], [0] * 30])
def test_without_a_forecast_it_says_nothing(amounts: list[int | None]) -> None:
    assert exhaustion(predict(amounts), spent_nusd=0, limit_nusd=1) is None
