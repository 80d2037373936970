"""The ways to forecast. Each says of every series, at any moment, a level, a drift and what each kind of step has more than that."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from billing.engine.forecasting.constants import FITTED, Constants
from billing.engine.forecasting.series import Calendar, Step
from billing.engine.forecasting.smoothing import DAMPING, Floats, Memory, smooth

METHODS = {
    Step.HOUR: ("slow smoothing", "quick smoothing", "damped trend", "last hour", "day before", "week before"),
    Step.DAY: ("slow smoothing", "quick smoothing", "damped trend", "last day", "week before", "year before"),
    Step.WEEK: ("slow smoothing", "quick smoothing", "damped trend", "last week", "season before", "year before"),
}
"""What the methods are called, in the order of the first axis of `Outlook`: by what the last step, season and cycle of a series are."""
METHOD_COUNT = 6
CYCLES_KNOWN = 4
"""How many whole seasons a trend, or the forecast of a year ago, must have been able to look back on."""
MOST_OF_LAST_YEAR = 5.0
"""A ratio beyond this is a company that grew, not a season."""


class Outlook(NamedTuple):
    """What each of the M methods says at K moments of n series with m kinds of step. A step of kind j that is i steps ahead (from 1 on) costs
    level + drift x (DAMPING + ... + DAMPING^i) + season[j]."""

    level: Floats
    """(M, K, n)."""
    drift: Floats
    """(M, K, n)."""
    season: Floats
    """(M, K, n, m)."""
    is_usable: NDArray[np.bool_]
    """(M, K, n): does the method know enough?"""

    def totals(self, ahead: Sequence[NDArray[np.int64]]) -> Floats:
        """Return (M, K, n): what comes to in all, where `ahead[k]` are the kinds of the steps that follow moment k."""
        steps = np.array([[len(kinds), damped(len(kinds)).sum()] for kinds in ahead])
        counts = np.array([np.bincount(kinds, minlength=self.season.shape[-1]) for kinds in ahead], dtype=np.float64)
        return np.asarray(self.level * steps[:, :1] + self.drift * steps[:, 1:] + (self.season * counts[:, None]).sum(axis=-1))

    def at(self, moments: slice) -> "Outlook":
        """Return what is said at some of the moments."""
        return Outlook(self.level[:, moments], self.drift[:, moments], self.season[:, moments], self.is_usable[:, moments])

    def paths(self, weights: Floats, ahead: Sequence[NDArray[np.int64]]) -> Floats:
        """Return (K, n, h): the mean of the methods by `weights` (M, K, n), step by step. No step is below 0, and the steps sum to the total."""
        level, drift = (weights * self.level).sum(axis=0), (weights * self.drift).sum(axis=0)
        season = (weights[..., None] * self.season).sum(axis=0)
        fading = damped(len(ahead[0]))
        raw = np.stack([level[k][:, None] + drift[k][:, None] * fading + season[k][:, kinds] for k, kinds in enumerate(ahead)])
        above = np.maximum(raw, 0.0)
        total, kept = np.maximum(raw.sum(axis=2), 0.0), above.sum(axis=2)
        return np.asarray(above * np.where(kept > 0, total / np.where(kept > 0, kept, 1.0), 0.0)[..., None])


def damped(horizon: int) -> Floats:
    """Return what a drift of 1 adds to each of the next steps: 0.9, 1.71, 2.439, ... towards 9."""
    return np.asarray(np.cumsum(DAMPING ** np.arange(1, horizon + 1)))


def look_ahead(
    amounts: Floats,
    *,
    calendar: Calendar,
    positions: NDArray[np.int64],
    moments: Sequence[int],
    horizons: Sequence[int],
    constants: Constants = FITTED,
) -> tuple[Outlook, Memory]:
    """Return what the methods say before each of the `moments` of `amounts` (n, T), and the memory that they say it from.

    `moments` are K indices of steps, ascending and above 0; moment k is asked about the next `horizons[k]` steps. `positions` are the kinds of
    all steps, also of those ahead.
    """
    season = calendar.step.season
    a_cycle_ago = [calendar.cycle_before(moment) for moment in moments]
    wanted = sorted({*moments, *(index for index in a_cycle_ago if index > 0)})
    memory = smooth(amounts, positions=positions, season=season, moments=wanted, constants=constants)
    now = Memory(*(part[np.searchsorted(wanted, moments)] for part in memory))
    ratio = np.full(now.last.shape, np.nan)
    for number, (index, horizon) in enumerate(zip(a_cycle_ago, horizons, strict=True)):
        if 0 < index <= amounts.shape[1] - horizon:
            then = Memory(*(part[wanted.index(index)] for part in memory))
            ratio[number] = _ratio(amounts[:, index : index + horizon], then=then, ahead=positions[index : index + horizon])
    return _outlook(now, ratio=ratio, season=season), now


def _ratio(amounts: Floats, *, then: Memory, ahead: NDArray[np.int64]) -> Floats:
    """Return (n,) by how much `amounts` (n, H) went beyond what slow smoothing said of them `then`; not a number where it cannot be told.

    Steps that are not known count as they were forecast. Worked number: the 30 days from 20 December on cost 1.4 times what was forecast on
    19 December last year, so this year's forecast is raised by 1.4.
    """
    said = then.level[0][:, None] + then.season[0][:, ahead]
    was, total = np.where(np.isnan(amounts), said, amounts).sum(axis=1), said.sum(axis=1)
    enough = (then.known >= CYCLES_KNOWN * then.season.shape[-1]) & (total > 0) & (np.isnan(amounts).mean(axis=1) <= 0.5)
    return np.where(enough, np.clip(was / np.where(total > 0, total, 1.0), 0.0, MOST_OF_LAST_YEAR), np.nan)


def _outlook(now: Memory, *, ratio: Floats, season: int) -> Outlook:
    none = np.zeros_like(now.last)
    scale = np.nan_to_num(ratio)
    level = np.stack([now.level[:, 0], now.level[:, 1], now.level[:, 2], now.last, none, now.level[:, 0] * scale])
    drift = np.stack([none, none, now.drift[:, 2], none, none, none])
    flat = np.zeros_like(now.latest)
    seasons = np.stack(
        [now.season[:, 0], now.season[:, 1], now.season[:, 2], flat, np.nan_to_num(now.latest), now.season[:, 0] * scale[..., None]]
    )
    usable = np.ones(level.shape, dtype=bool)
    usable[2] = now.known >= CYCLES_KNOWN * season
    usable[4] = (season > 1) & ~np.isnan(now.latest).any(axis=-1)
    usable[5] = ~np.isnan(ratio)
    return Outlook(level, drift, seasons, usable)
