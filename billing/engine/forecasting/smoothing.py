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
    steps = np.ascontiguousarray(amounts.T)
    smoother = _Smoother(amounts.shape[0], season=season, constants=constants)
    found, begin = [], 0
    for moment in moments:
        for at in range(begin, moment):
            smoother.take(steps[at], int(positions[at]))
        found.append(smoother.memory())
        begin = moment
    return Memory(*(np.stack(parts) for parts in zip(*found, strict=True)))


class _Smoother:
    """The memory of n series, as it is now. Arrays are (3, n) for the three levels, else (n,); with a season, (..., m)."""

    def __init__(self, n: int, *, season: int, constants: Constants) -> None:
        self._has_season, self._warm, self._return_gain = season > 1, season, constants.return_gain
        self._gains = np.array([[constants.slow_gain], [constants.quick_gain], [constants.quick_gain]])
        self._drift_gains = np.array([[0.0], [0.0], [constants.drift_gain]])
        self._level, self._drift, self._usual, self._cut_off = (np.zeros((3, n)) for _ in range(4))
        self._season, self._latest, self._seen = np.zeros((3, n, season)), np.full((n, season), np.nan), np.zeros((n, season))
        self._known, self._paid, self._mean, self._last = (np.zeros(n) for _ in range(4))

    def memory(self) -> Memory:
        return Memory(
            self._level + self._cut_off, self._drift, self._season.copy(), self._last, self._latest.copy(), self._mean.copy(), self._known.copy()
        )

    def take(self, amount: Floats, kind: int) -> None:
        """Learn from one step: its amounts (n,), and of which kind it is."""
        known = ~np.isnan(amount)
        most = MOST_RETURNED * self._mean * self._known / np.maximum(self._paid, 1)
        self._known += known
        self._paid += amount > 0
        self._seen[:, kind] += known
        young = 1 / np.maximum(self._known, 1)
        self._mean += np.where(known, (amount - self._mean) * young, 0.0)
        base = self._level + DAMPING * self._drift
        counted = self._bounded(np.where(known, amount - base - self._season[:, :, kind], 0.0), known=known, young=young, most=most)
        gain = np.maximum(self._gains, young)
        self._drift = DAMPING * self._drift + gain * self._drift_gains * counted
        self._level = np.maximum(base + gain * counted, 0.0)
        if self._has_season:
            self._season[:, :, kind] += np.maximum(SEASON_GAIN, 1 / (self._seen[:, kind] + SEASON_PRIOR)) * (1 - gain) * counted
        self._last = np.where(known, amount, self._last)
        self._latest[:, kind] = np.where(known, amount, self._latest[:, kind])

    def _bounded(self, surprise: Floats, *, known: NDArray[np.bool_], young: Floats, most: Floats) -> Floats:
        """Return what counts of a surprise (3, n): no more than the usual one, once a season has been seen. Remembers what was cut off."""
        bound = np.where(self._known > self._warm, np.maximum(self._usual, LEAST_USUAL * self._mean), np.inf)
        counted = np.clip(surprise, -bound, bound)
        learning = np.where(known & (self._known > 1), np.maximum(USUAL_GAIN, 1 / np.maximum(self._known - 1, 1)), 0.0)
        self._usual += learning * (np.minimum(np.abs(surprise), MOST_USUAL * bound) - self._usual)
        returned = np.where(known, np.maximum(self._return_gain, young), 0.0)
        self._cut_off += returned * (np.clip(surprise - counted, -most, most) - self._cut_off)
        return counted
