"""CostForecaster: what it says of series as tenants have them, and what it keeps to itself."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.engine.forecasting.forecaster import CostForecaster
from billing.engine.forecasting.methods import METHODS
from billing.engine.forecasting.series import Calendar, CostSeries, Step, hourly_series
from tests.billing.engine.forecasting.recipes import MONDAY, USD, WEEK, noisy, predict, spends, total


def test_weekdays_come_again() -> None:
    prediction = predict([amount * USD for amount in WEEK * 8])
    assert spends(prediction) == pytest.approx(WEEK, rel=0.001)
    assert total(prediction).expected_nusd == pytest.approx(58 * USD, rel=0.001)
    assert prediction.method == "week before"
    assert prediction.path[0].begins == date(2026, 11, 2)
    assert (prediction.history_days, prediction.is_early, prediction.reason) == (56, False, "")


def test_every_prediction_carries_its_back_tested_error() -> None:
    prediction = predict(noisy(WEEK * 20), horizon=30)
    assert prediction.wape is not None
    assert 0.005 < prediction.wape < 0.1
    assert prediction.coverage is not None
    assert 0.5 < prediction.coverage <= 1.0
    assert (prediction.tests, prediction.tested_steps) == (24, 30)
    assert sum(prediction.weights.values()) == pytest.approx(1.0)
    assert set(prediction.weights) <= set(METHODS[Step.DAY])
    assert prediction.method == next(iter(prediction.weights))


def test_a_falling_trend_lowers_the_forecast_and_a_rising_one_raises_it() -> None:
    falling, rising = noisy([100 - 1.2 * day for day in range(60)]), noisy([28 + 1.2 * day for day in range(60)])
    assert total(predict(falling)).expected_nusd < sum(falling[-7:]) < sum(falling[-28:]) / 4
    assert total(predict(rising)).expected_nusd > sum(rising[-7:]) > sum(rising[-28:]) / 4
    assert spends(predict(falling))[6] < spends(predict(falling))[0]


def test_a_customer_who_left_is_forecast_to_spend_nothing() -> None:
    prediction = predict([*[5 * USD] * 20, *[0] * 40])
    assert total(prediction).expected_nusd < USD // 10
    assert total(prediction).low_nusd == 0


def test_one_wild_day_does_not_lift_the_forecast_for_long() -> None:
    calm = noisy(WEEK * 12)
    wild = list(calm)
    wild[40] = 2_000 * USD
    assert total(predict(wild)).expected_nusd < 1.5 * total(predict(calm)).expected_nusd


def test_a_new_level_is_taken_over_within_two_weeks() -> None:
    assert total(predict(noisy([10] * 60 + [30] * 14))).expected_nusd == pytest.approx(210 * USD, rel=0.15)


def test_the_season_of_a_year_comes_again() -> None:
    """Spend goes up and down by half with the year; at the top of the wave what comes is below what was."""
    wave = [10 + 5 * sin(2 * pi * day / 364) for day in range(364 * 3)]
    past = 364 * 2 + 100
    prediction = predict(noisy(wave[:past]), horizon=60)
    assert prediction.method == "year before"
    assert total(prediction).expected_nusd == pytest.approx(sum(wave[past : past + 60]) * USD, rel=0.05)
    assert total(prediction).expected_nusd < 60 * USD * sum(wave[past - 28 : past]) / 28 * 0.92


def test_an_unknown_day_is_not_a_day_without_spend() -> None:
    known: list[int | None] = list(noisy(WEEK * 8))
    unknown, zeros = list(known), list(known)
    for day in range(43, 56, 2):
        unknown[day], zeros[day] = None, 0
    expected = total(predict(known)).expected_nusd
    assert total(predict(unknown)).expected_nusd == pytest.approx(expected, rel=0.1)
    assert total(predict(zeros)).expected_nusd < 0.9 * expected


@pytest.mark.parametrize(
    ("amounts", "reason", "days"),
    [
        ([], "Nothing has been spent yet.", 0), ([0] * 40, "Nothing has been spent yet.", 0), ([None] * 4, "Nothing has been spent yet.", 0),
        ([0] * 40 + [5], "1 day of spend is known; a forecast needs 3.", 1), ([5, 6], "2 days of spend are known; a forecast needs 3.", 2),
    ],
)  # fmt: skip
def test_under_three_days_of_spend_it_says_why_it_says_nothing(amounts: list[int | None], reason: str, days: int) -> None:
    prediction = predict(amounts)
    assert (prediction.reason, prediction.history_days, prediction.total, list(prediction.path)) == (reason, days, None, [])
    assert prediction.is_early


def test_under_two_weeks_it_is_an_early_estimate_with_a_wide_interval() -> None:
    early, later = predict(noisy([10] * 13)), predict(noisy([10] * 90))
    assert early.is_early
    assert not predict(noisy([10] * 14)).is_early
    assert predict(noisy([10] * 3)).path
    assert total(early).high_nusd - total(early).low_nusd > total(later).high_nusd - total(later).low_nusd


def test_zeros_before_the_first_spend_are_no_history() -> None:
    assert predict([0] * 300 + noisy(WEEK * 4)).total == predict(noisy(WEEK * 4), start=MONDAY + timedelta(days=300)).total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.just(0), st.integers(0, 10**15)), max_size=70), st.integers(1, 40))
def test_no_forecast_is_below_nothing_and_its_parts_fit_together(amounts: list[int | None], horizon: int) -> None:
    prediction = predict(amounts, horizon=horizon)
    assert len(prediction.path) == (0 if prediction.reason else horizon)
    in_all = 0
    for step in prediction.path:
        in_all += step.spend.expected_nusd
        assert step.in_all.expected_nusd == in_all
        for estimate in (step.spend, step.in_all):
            assert 0 <= estimate.low_nusd <= estimate.expected_nusd <= estimate.high_nusd
    for one, next_one in pairwise(prediction.path):
        assert one.in_all.low_nusd <= next_one.in_all.low_nusd
        assert one.in_all.high_nusd <= next_one.in_all.high_nusd


def test_a_horizon_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one step or more"):
        predict([5] * 10, horizon=0)


@pytest.mark.parametrize("changes_on", [date(2026, 10, 25), date(2026, 3, 29)])
def test_the_hours_keep_to_the_clock_when_it_changes(changes_on: date) -> None:
    """Noon is dear in Berlin: also on the days after the change, when it is another hour of UTC."""
    zone = "Europe/Berlin"
    first = datetime.combine(changes_on - timedelta(days=21), datetime.min.time(), tzinfo=UTC)
    kinds = Calendar(step=Step.HOUR, start=first, zone=zone).positions(24 * 30)
    spent = {first + timedelta(hours=hour): (100 if kinds[hour] == 12 else 1) * USD for hour in range(24 * 30)}
    last = first + timedelta(days=21, hours=-1)
    prediction = CostForecaster(horizon=72).predict(hourly_series(spent, first_at=first, last_at=last, zone=zone))
    dear = [step.begins for step in prediction.path if step.spend.expected_nusd > 50 * USD]
    assert dear == [first + timedelta(hours=hour) for hour in range(21 * 24, 24 * 24) if kinds[hour] == 12]
    assert prediction.history_days == 21
    assert prediction.method in ("day before", "week before")


def test_weeks_are_forecast_too() -> None:
    series = CostSeries(calendar=Calendar(step=Step.WEEK, start=MONDAY), amounts_nusd=noisy([70] * 30))
    prediction = CostForecaster(horizon=4).predict(series)
    assert total(prediction).expected_nusd == pytest.approx(280 * USD, rel=0.1)
    assert [step.begins for step in prediction.path][:2] == [date(2027, 4, 5), date(2027, 4, 12)]
    assert prediction.history_days == 210


def test_twice_the_spend_is_twice_the_forecast() -> None:
    amounts = noisy(WEEK * 9, noise=0.4)
    once, twice = predict(amounts), predict([2 * amount for amount in amounts])
    assert total(twice).expected_nusd == pytest.approx(2 * total(once).expected_nusd, rel=1e-6)
    assert np.array(spends(twice)) == pytest.approx(2 * np.array(spends(once)), rel=1e-6)
