"""How far off a forecast may be: 80 % intervals from the errors of the back-tests, of single steps and of sums."""

from typing import NamedTuple

import numpy as np

from billing.engine.forecasting.smoothing import Floats

Z80 = 1.2816
"""Four fifths of a normal distribution lie within so many standard deviations."""


class Tests(NamedTuple):
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


def spread(tests: Tests, *, spacing: int) -> Spread:
    """Return the intervals' half widths.

    The interval of a sum comes from the errors of such sums, not from the intervals of its steps, which err together on bad days and apart on
    good ones. A half width is Z80 times the root of the mean squared error, wider by Student's t where there are few tests; tests that overlap
    by more than half count as less than one. Worked number: 24 tests with errors of 10 % on average squares give 10 x 1.2816 x 1.03 = 13.2 %.
    """
    horizon = tests.said.shape[2]
    unit = scale(tests.said, mean=tests.mean)
    weight = tests.importance
    total = np.maximum(weight.sum(axis=0), 1e-300)
    of_step = _relative(tests.came - tests.said, unit=unit)
    of_sums = _relative(np.cumsum(tests.came - tests.said, axis=2), unit=np.cumsum(unit, axis=2))
    squares = weight[..., None] * of_sums**2
    number = (weight > 0).sum(axis=0)
    wide = Z80 * student(np.maximum(1 + (number - 1) * min(1.0, 2 * spacing / horizon), 1.0))
    of_others = (squares[..., -1].sum(axis=0) - squares[..., -1]) / np.maximum(total - weight, 1e-300)
    inside = np.abs(of_sums[..., -1]) <= wide * np.sqrt(of_others) + 1e-12
    return Spread(
        of_step=Z80 * np.sqrt((weight * (of_step**2).mean(axis=2)).sum(axis=0) / total),
        of_sums=wide[:, None] * np.sqrt(squares.sum(axis=0) / total[:, None]),
        coverage=np.where(number > 2, (weight * inside).sum(axis=0) / total, np.nan),
    )


def _relative(errors: Floats, *, unit: Floats) -> Floats:
    return np.asarray(np.divide(errors, unit, out=np.zeros_like(errors), where=unit > 0))


def student(freedom: Floats) -> Floats:
    """Return by how much Student's t at 90 % exceeds the normal's, by its expansion (Abramowitz and Stegun 26.7.5): 2.11 for 1, 1.04 for 24."""
    z = Z80
    return np.asarray(1 + (z**2 + 1) / (4 * freedom) + (5 * z**4 + 16 * z**2 + 3) / (96 * freedom**2))
