"""How wide 80 % is: from the errors of sums for sums, from those of steps for steps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from billing.engine.forecasting.intervals import BackTests, spread, widened


def back_tests(errors: NDArray[np.float64]) -> BackTests:
    """`errors` (K, n, h) of a forecast of 100 a step."""
    said = np.full(errors.shape, 100.0)
    return BackTests(said=said, came=said + errors, mean=np.full(errors.shape[:2], 100.0), importance=np.ones(errors.shape[:2]))


def test_four_in_five_of_what_comes_lies_within() -> None:
    chance = np.random.default_rng(1)
    errors = chance.normal(0, 20, (25, 4_000, 7))
    found = spread(back_tests(errors[:-1]), spacing=7)
    assert (np.abs(errors[-1]) <= found.of_step[:, None] * 100).mean() == pytest.approx(0.8, abs=0.02)
    assert (np.abs(errors[-1].sum(axis=1)) <= found.of_sums[:, -1] * 700).mean() == pytest.approx(0.8, abs=0.03)
    assert np.nanmean(found.coverage) == pytest.approx(0.8, abs=0.03)


def test_errors_that_cancel_make_a_sum_surer_than_its_steps_and_errors_that_go_together_do_not() -> None:
    chance = np.random.default_rng(2)
    apart = spread(back_tests(chance.normal(0, 20, (24, 200, 30))), spacing=30)
    together = spread(back_tests(np.repeat(chance.normal(0, 20, (24, 200, 1)), 30, axis=2)), spacing=30)
    assert apart.of_sums[:, -1].mean() < apart.of_step.mean() / 4
    assert together.of_sums[:, -1].mean() == pytest.approx(together.of_step.mean(), rel=0.15)


def test_one_wild_week_does_not_make_every_interval_worthless() -> None:
    errors = np.random.default_rng(3).normal(0, 10, (24, 1, 7))
    calm = spread(back_tests(errors), spacing=7)
    errors[12, 0, 3] = 50_000.0
    wild = spread(back_tests(errors), spacing=7)
    assert wild.of_sums[0, -1] < 3 * calm.of_sums[0, -1]
    assert wild.of_step[0] < 1.3 * calm.of_step[0]


def test_few_tests_and_tests_that_overlap_widen_it() -> None:
    assert widened(np.array([1.0, 4.0, 24.0])) == pytest.approx([2.98, 1.33, 1.05], abs=0.01)
    errors = np.random.default_rng(5).normal(0, 10, (24, 50, 14))
    assert spread(back_tests(errors), spacing=1).of_sums.mean() > spread(back_tests(errors), spacing=14).of_sums.mean()


def test_without_a_test_it_is_all_of_the_forecast() -> None:
    none = back_tests(np.zeros((3, 1, 2)))._replace(importance=np.zeros((3, 1)))
    found = spread(none, spacing=1)
    assert (found.of_step[0], found.of_sums[0].tolist()) == (1.0, [1.0, 1.0])
    assert np.isnan(found.coverage[0])
