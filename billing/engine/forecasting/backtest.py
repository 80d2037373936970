"""The series' own past as judge: what each method would have said then, how far off it was, and so how much it counts now."""

from typing import NamedTuple

import numpy as np

from billing.engine.forecasting.constants import FITTED, Constants
from billing.engine.forecasting.methods import Outlook
from billing.engine.forecasting.smoothing import Floats

MOST_TESTS, WEEKS_APART = 24, 4
LEAST_TESTS = 2
PRIOR_TESTS, PRIOR_LOSS = 2.0, 1.5
"""So many tests are added in which slow smoothing erred as it does on average, and every other method that much more: luck decides nothing."""
LEAST_LOSS = 1e-3


class Plan(NamedTuple):
    """Which moments of the past are tried: every `spacing` steps back from the last one that has `horizon` known steps after it."""

    horizon: int
    spacing: int

    def moments(self, length: int) -> list[int]:
        """Return the moments, ascending, of a series of so many steps."""
        return list(range(length - self.horizon, 0, -self.spacing))[:MOST_TESTS][::-1]


def plan(*, age: int, horizon: int, season: int) -> Plan:
    """Return how a series of `age` steps is tried for a forecast of `horizon` steps.

    A young series is tried on shorter horizons: halved until two of them fit into its past. The tests are spread over the past, a season apart
    at most (of weeks, which have none, four). Worked number: 20 days for a forecast of 30: tests of 8 days, each day from the first to the twelfth.
    """
    tried = horizon
    while tried > 1 and 2 * tried + 1 > age:
        tried = (tried + 1) // 2
    spread = (age - tried - 1) // MOST_TESTS
    return Plan(tried, max(1, min(season if season > 1 else WEEKS_APART, spread)))


class Verdict(NamedTuple):
    """What the tests say of n series."""

    weights: Floats
    """(M, n): how much each method counts; they sum to 1."""
    then: Floats
    """(M, K, n): the same at each moment, where some methods did not know enough yet."""


def judge(outlook: Outlook, *, errors: Floats, importance: Floats, constants: Constants = FITTED) -> Verdict:
    """Return how much each method counts, by its errors on totals.

    `outlook` has K + 1 moments, of which the last is now; `errors` (M, K, n) are what was forecast less what came, not a number where no test
    was possible; `importance` (K, n) is what a test counts. Weights fall with the cube of the mean absolute error: on all data that was at
    hand such an average erred less than the best single method (as in Bates and Granger 1969, and the M4 competition).
    Worked number: two methods that err by 10 and by 20 on average, over many tests, count 8/9 and 1/9.
    """
    tested = ~np.isnan(errors) & outlook.is_usable[:, :-1]
    size = np.where(tested, np.abs(np.nan_to_num(errors)) * importance, 0.0)
    reference = size[:1]
    prior = PRIOR_TESTS * reference.sum(axis=1) / np.maximum(tested[:1].sum(axis=1), 1)
    of_reference = np.where(tested, reference, 0.0).sum(axis=1) + prior
    doubt = np.where(np.arange(len(size)) == 0, 1.0, PRIOR_LOSS)[:, None]
    loss = (size.sum(axis=1) + doubt * prior) / np.where(of_reference > 0, of_reference, 1.0)
    trusted = (tested.sum(axis=1) >= LEAST_TESTS) & outlook.is_usable[:, -1]
    trusted[0] |= ~trusted.any(axis=0)
    weights = np.where(trusted, np.maximum(loss, LEAST_LOSS) ** -constants.sharpness, 0.0)
    weights = weights / weights.sum(axis=0)
    then = weights[:, None] * outlook.is_usable[:, :-1]
    then[0] += then.sum(axis=0) <= 0
    return Verdict(weights, then / then.sum(axis=0))

