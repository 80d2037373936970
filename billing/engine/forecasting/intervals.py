"""How far off a forecast may be: 80 % intervals from the errors of the back-tests, of single steps and of sums."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from billing.engine.forecasting.smoothing import Floats

Z80 = 1.2816
"""Four fifths of a normal distribution lie within so many standard deviations."""
MOST_ERROR = 4.0


class BackTests(NamedTuple):
    """K back-tests of n series over h steps each."""

    said: Floats
    """(K, n, h): what was forecast."""
    came: Floats
    """(K, n, h): what came; what was forecast where that is not known."""
    mean: Floats
    """(K, n): the mean of all that was known at the moment of the test."""
    importance: Floats
    """(K, n): what a test counts; 0 where there was none."""


class Spread(NamedTuple):
    """Half the width of 80 % intervals, in units of `scale`, and how they did."""

    of_step: Floats
    """(n,): of one step."""
    of_sums: Floats
    """(n, h): of the sum of the first i steps."""
    coverage: Floats
    """(n,): the share of back-tested totals within the interval that the other tests give; not a number where there are too few."""


def scale(path: Floats, *, mean: Floats) -> Floats:
    """Return what errors are measured in: half the forecast and half the long-run mean, so that a forecast near 0 is not sure of itself."""
    return np.asarray((path + mean[..., None]) / 2)


def spread(tests: BackTests, *, spacing: int) -> Spread:
    """Return the intervals' half widths, from tests that are `spacing` steps apart.

    The interval of a sum comes from the errors of such sums, not from the intervals of its steps, which err together in bad weeks and cancel in
    good ones. A half width is Z80 times the root of the mean squared error, widened where tests are few; those that overlap by more than half
    count as less than one. Without a test it is all of the forecast. Worked number: 24 tests with errors of 10 % (root of the mean square)
    give 10 x 1.2816 x 1.05 = 13.5 %.
    """
    horizon = tests.said.shape[2]
    unit, off = scale(tests.said, mean=tests.mean), tests.came - tests.said
    weight, number = tests.importance, (tests.importance > 0).sum(axis=0)
    of_sums = _relative(np.cumsum(off, axis=2), unit=np.cumsum(unit, axis=2))
    size = np.abs(of_sums[..., -1])
    total = np.where(number > 0, weight.sum(axis=0), 1.0)
    squares = weight[..., None] * (of_sums * _kept(size, weight=weight)[..., None]) ** 2
    wide = Z80 * widened(np.maximum(1 + (number - 1) * min(1.0, 2 * spacing / horizon), 1.0))
    others = np.where(total > weight, total - weight, 1.0)
    inside = size <= wide * np.sqrt((squares[..., -1].sum(axis=0) - squares[..., -1]).clip(min=0.0) / others) + 1e-9
    untried = number == 0
    return Spread(
        of_step=np.where(untried, 1.0, _four_in_five(np.abs(_relative(off, unit=unit)), tried=weight > 0)),
        of_sums=np.where(untried[:, None], 1.0, wide[:, None] * np.sqrt(squares.sum(axis=0) / total[:, None])),
        coverage=np.where(number > 2, (weight * inside).sum(axis=0) / total, np.nan),
    )


def _kept(size: Floats, *, weight: Floats) -> Floats:
    """Return what is kept of each test's error (K, n): beyond four times what four in five stay within, it counts as that. One day on which
    somebody let a loop run is not to make every forecast of the next half year worthless."""
    order = np.argsort(size, axis=0)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0) >= 0.8 * weight.sum(axis=0) - 1e-9
    bound = MOST_ERROR * np.take_along_axis(np.take_along_axis(size, order, axis=0), reached.argmax(axis=0)[None], axis=0)
    return np.where(size > bound, bound / np.where(size > 0, size, 1.0), 1.0)


def _four_in_five(size: Floats, *, tried: NDArray[np.bool_]) -> Floats:
    """Return (n,) what four in five of the errors of single steps (K, n, h) stay within, as a mean over the steps."""
    ordered = np.sort(np.where(tried[..., None], size, np.inf), axis=0)
    place = np.maximum(-(-4 * tried.sum(axis=0) // 5) - 1, 0)
    return np.asarray(np.take_along_axis(ordered, place[None, :, None], axis=0)[0].mean(axis=1))


def _relative(errors: Floats, *, unit: Floats) -> Floats:
    return np.asarray(np.divide(errors, unit, out=np.zeros_like(errors), where=unit > 0))


def widened(tests: Floats) -> Floats:
    """Return by how much an interval from so many tests is wider than one from a known error: 1.05 for 24, 1.33 for 4, 2.98 for 1.

    Student's t at 90 % with as many degrees of freedom, by its expansion (Abramowitz and Stegun 26.7.5), over the normal's, times the root of
    1 + 1 / tests for the next one.
    """
    z = Z80
    t = 1 + (z**2 + 1) / (4 * tests) + (5 * z**4 + 16 * z**2 + 3) / (96 * tests**2)
    return np.asarray(t * np.sqrt(1 + 1 / tests))
