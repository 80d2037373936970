"""Robust exponential smoothing of many series at once: what each remembers of its past, at any moments asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from billing.engine.forecasting.constants import FITTED, Constants

Floats = NDArray[np.float64]

DAMPING = 0.9
"""What is left of a drift after each step."""
SEASON_GAIN, SEASON_PRIOR = 0.1, 3.0
"""A season starts as if three cycles without any had been seen."""
USUAL_GAIN, MOST_USUAL, LEAST_USUAL = 0.05, 4.0, 0.1
"""The usual surprise takes in at most four times itself, and is never below a tenth of the mean: a series that has stood still may still move."""
MOST_RETURNED = 30.0
"""Times what a step with spend costs on average: the day of a user who comes once a month is given back whole, a loop that ran wild is not."""


class Memory(NamedTuple):
    """What is remembered at K moments of n series whose season has m kinds of step. Amounts are of one step."""

    level: Floats
    """(K, 3, n): slow, quick, and quick with a drift."""
    drift: Floats
    """(K, 3, n): 0 but for the third."""
    season: Floats
    """(K, 3, n, m): what a step of each kind has more than the level."""
    last: Floats
    """(K, n): the last known amount."""
    latest: Floats
    """(K, n, m): the last known amount of each kind of step; not a number where there was none."""
    mean: Floats
    """(K, n): of all that is known."""
    known: Floats
    """(K, n): how many amounts."""


def smooth(
    amounts: Floats, *, positions: NDArray[np.int64], season: int, moments: Sequence[int], constants: Constants = FITTED
) -> Memory:
    """Return what is remembered before each of the `moments` (indices of steps, ascending) of `amounts` (n, T), not a number where unknown.

    `positions` are the kinds of the steps, below `season`. Additive Holt-Winters with a damped drift (Gardner and McKenzie 1985), robust after
    Gelper, Fried and Croux (2010): a surprise beyond the usual one counts as the usual one. What is cut off is given back slowly, since money
    that was spent in spikes was spent all the same: without that, the forecast of a series that is mostly 0 is less than half of what comes.
    While a series is young, its gains are those of a plain mean. Worked number: a level of 100 that usually errs by 10 sees 200. The quick one
    takes it for 110 and rises to 102; the other 90 come back as 1.80 in the next step, 1.76 in the one after, and so on.
    """
    n = amounts.shape[0]
    steps = np.ascontiguousarray(amounts.T)
    gains = np.array([[constants.slow_gain], [constants.quick_gain], [constants.quick_gain]])
    drift_gains = np.array([[0.0], [0.0], [constants.drift_gain]])
    level, drift, usual, cut_off = (np.zeros((3, n)) for _ in range(4))
    seasonal, latest, seen = np.zeros((3, n, season)), np.full((n, season), np.nan), np.zeros((n, season))
    count, paid, mean, last = (np.zeros(n) for _ in range(4))
    found: dict[int, tuple[Floats, ...]] = {}
    for at in range(max(moments) + 1):
        if at in moments:
            found[at] = (level + cut_off, drift.copy(), seasonal.copy(), last.copy(), latest.copy(), mean.copy(), count.copy())
        if at == len(steps):
            break
        amount, kind = steps[at], positions[at]
        known = ~np.isnan(amount)
        count += known
        seen[:, kind] += known
        young = 1 / np.maximum(count, 1)
        base = level + DAMPING * drift
        surprise = np.where(known, amount - base - seasonal[:, :, kind], 0.0)
        most = MOST_RETURNED * mean * (count - known) / np.maximum(paid, 1)
        paid += amount > 0
        mean += np.where(known, (amount - mean) * young, 0.0)
        bound = np.where(count > season, np.maximum(usual, LEAST_USUAL * mean), np.inf)
        counted = np.clip(surprise, -bound, bound)
        learning = np.where(known & (count > 1), np.maximum(USUAL_GAIN, 1 / np.maximum(count - 1, 1)), 0.0)
        usual += learning * (np.minimum(np.abs(surprise), MOST_USUAL * bound) - usual)
        cut_off += np.where(known, np.maximum(constants.return_gain, young), 0.0) * (np.clip(surprise - counted, -most, most) - cut_off)
        gain = np.maximum(gains, young)
        drift = DAMPING * drift + gain * drift_gains * counted
        level = np.maximum(base + gain * counted, 0.0)
        seasonal[:, :, kind] += np.maximum(SEASON_GAIN, 1 / (seen[:, kind] + SEASON_PRIOR)) * (1 - gain) * counted * (season > 1)
        last = np.where(known, amount, last)
        latest[:, kind] = np.where(known, amount, latest[:, kind])
    return Memory(*(np.stack(parts) for parts in zip(*found.values(), strict=True)))
