"""The series' own past as judge: which tests there are, and what they make the methods count."""

import numpy as np
import pytest

from billing.engine.forecasting.backtest import MOST_TESTS, judge, plan
from billing.engine.forecasting.methods import Outlook


def outlook(*, methods: int, tests: int, usable: list[bool] | None = None) -> Outlook:
    shape = (methods, tests + 1, 1)
    known = np.array(usable if usable is not None else [True] * methods)
    return Outlook(np.zeros(shape), np.zeros(shape), np.zeros((*shape, 1)), np.broadcast_to(known[:, None, None], shape))


def weigh(errors: list[list[float]], *, usable: list[bool] | None = None) -> list[float]:
    array = np.array(errors)[..., None]
    verdict = judge(outlook(methods=len(errors), tests=len(errors[0]), usable=usable), errors=array, importance=np.ones(array.shape[1:]))
    return verdict.weights[:, 0].tolist()


def test_an_old_series_is_tried_each_week_of_half_a_year_over_the_whole_horizon() -> None:
    how = plan(age=400, horizon=30, season=7)
    assert (how.horizon, how.spacing) == (30, 7)
    moments = how.moments(400)
    assert (moments[-1], len(moments)) == (370, MOST_TESTS)


def test_a_young_series_is_tried_each_day_over_a_shorter_horizon() -> None:
    how = plan(age=20, horizon=30, season=7)
    assert (how.horizon, how.spacing) == (8, 1)
    assert how.moments(20) == list(range(1, 13))
    assert plan(age=3, horizon=30, season=7).moments(3) == [1, 2]


def test_every_series_of_three_days_has_two_tests_within_its_past() -> None:
    for age in range(3, 500):
        how = plan(age=age, horizon=30, season=7)
        moments = how.moments(age)
        assert len(moments) >= 2, age
        assert moments[0] >= 1, age
        assert moments[-1] + how.horizon == age


def test_a_method_that_errs_twice_as_much_counts_an_eighth() -> None:
    first, second = weigh([[10.0] * 1000, [20.0] * 1000])
    assert first == pytest.approx(8 / 9, abs=0.001)
    assert second == pytest.approx(1 / 9, abs=0.001)


def test_few_tests_decide_little() -> None:
    assert weigh([[10.0] * 2, [1.0] * 2])[1] < weigh([[10.0] * 20, [1.0] * 20])[1]


def test_a_method_that_does_not_know_enough_or_was_never_tried_counts_nothing() -> None:
    assert weigh([[10.0] * 5, [1.0] * 5], usable=[True, False]) == [1.0, 0.0]
    assert weigh([[10.0] * 5, [float("nan")] * 5]) == [1.0, 0.0]
    assert weigh([[float("nan")] * 5, [float("nan")] * 5]) == [1.0, 0.0]


def test_a_method_is_compared_on_the_tests_that_it_had() -> None:
    nan = float("nan")
    hard_only = weigh([[1.0] * 10 + [100.0] * 10, [nan] * 10 + [50.0] * 10])
    assert hard_only[1] > 0.7
