"""What a month will have cost when it is over."""

from datetime import UTC, date, datetime, timedelta

import pytest

from billing.engine.forecasting.month_end import month_end
from billing.engine.forecasting.prediction import Estimate
from billing.engine.forecasting.series import Step
from tests.billing.engine.forecasting.recipes import MONDAY, USD, WEEK, foretold, noisy, predict

NOVEMBER = [(date(2026, 11, 21) + timedelta(days=number), 15, 12, 18) for number in range(14)]


def test_it_is_what_was_spent_and_the_path_of_the_days_that_are_left() -> None:
    estimate = month_end(foretold(NOVEMBER), spent_nusd=310 * USD)
    assert estimate == Estimate(expected_nusd=460 * USD, low_nusd=430 * USD, high_nusd=490 * USD)


def test_what_today_has_cost_already_counts_where_it_is_more_than_was_expected_of_it() -> None:
    def told(so_far: int) -> tuple[int, int, int]:
        estimate = month_end(foretold(NOVEMBER), spent_nusd=0, so_far_nusd=so_far * USD)
        assert estimate is not None
        return estimate.low_nusd // USD, estimate.expected_nusd // USD, estimate.high_nusd // USD

    assert told(10) == (120, 150, 180)
    assert told(14) == (122, 150, 180)
    assert told(40) == (148, 175, 202)


def test_on_the_last_day_of_the_month_only_that_day_is_left() -> None:
    estimate = month_end(foretold([(date(2026, 11, 30), 5, 4, 6), (date(2026, 12, 1), 90, 80, 99)]), spent_nusd=USD)
    assert estimate is not None
    assert estimate.expected_nusd == 6 * USD


def test_it_is_told_from_the_third_day_of_data_on() -> None:
    assert month_end(predict([5, 6], horizon=40), spent_nusd=11) is None
    assert month_end(predict([5, 6, 7], horizon=40), spent_nusd=18) is not None


def test_the_interval_of_the_rest_is_narrower_than_the_sum_of_the_days() -> None:
    prediction = predict(noisy(WEEK * 20, noise=0.4), horizon=31, start=MONDAY)
    estimate = month_end(prediction, spent_nusd=0)
    assert estimate is not None
    month = [step.spend for step in prediction.path if step.begins.month == prediction.path[0].begins.month]
    assert estimate.high_nusd - estimate.low_nusd < sum(day.high_nusd - day.low_nusd for day in month)


def test_a_path_that_ends_before_the_month_does_or_is_not_of_days_is_refused() -> None:
    with pytest.raises(ValueError, match="its last one"):
        month_end(foretold(NOVEMBER[:9]), spent_nusd=0)
    assert month_end(foretold(NOVEMBER[:10]), spent_nusd=0) is not None
    with pytest.raises(ValueError, match="path of days"):
        month_end(foretold([(datetime(2026, 11, 30, tzinfo=UTC), 1, 1, 1)] * 50, step=Step.HOUR), spent_nusd=0)
