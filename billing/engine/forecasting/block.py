"""Forecasts of many series at once, in blocks of bounded memory: what a nightly run calls."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from billing.engine.forecasting.backtest import Plan, judge, plan
from billing.engine.forecasting.constants import FITTED, Constants
from billing.engine.forecasting.intervals import BackTests, Spread, scale, spread
from billing.engine.forecasting.methods import METHOD_COUNT, look_ahead
from billing.engine.forecasting.series import Calendar
from billing.engine.forecasting.smoothing import Floats

LEAST_DAYS = 3
CELLS_AT_ONCE = 250_000
"""Numbers in the largest array: about a dozen of them, of 8 bytes each, are needed at once."""
MOST_NUSD = 2.0**62
"""Of a whole path."""


class Block(NamedTuple):
    """Forecasts of n series over H steps. Amounts are integers of nano-USD; a series of which nothing can be said yet has zeros."""

    ahead: Calendar
    """Starts with the first step that is forecast."""
    path: NDArray[np.int64]
    """(3, n, H): expected, low and high of each step."""
    sums: NDArray[np.int64]
    """(3, n, H): expected, low and high of all steps up to each; the last is the total."""
    weights: Floats
    """(n, M): how much each of the METHODS of the step counts."""
    wape: Floats
    """(n,): back-tested error of totals as a share of what came; not a number where nothing came."""
    coverage: Floats
    """(n,): share of back-tested totals within their interval; not a number where there are too few tests."""
    tests: NDArray[np.int64]
    """(n,): how many back-tests."""
    tested_steps: NDArray[np.int64]
    """(n,): over how many steps each went: fewer than H where the series is young."""
    age: NDArray[np.int64]
    """(n,): steps from the first spend on; 0 where there was none."""


def forecast_block(amounts: Floats, *, calendar: Calendar, horizon: int, constants: Constants = FITTED) -> Block:
    """Return the forecasts of n series for the `horizon` steps that follow.

    `amounts` (n, T) are nano-USD as floats (exact up to nine million dollars a step), 0 for gaps and not a number where unknown. A series
    begins with its first spend: zeros before it are no history. Raises ValueError for a horizon below 1.
    """
    if horizon < 1:
        raise ValueError(f"a forecast goes over one step or more, not {horizon}")
    count, length = amounts.shape
    spent = np.nan_to_num(amounts) > 0
    age = np.where(spent.any(axis=1), length - spent.argmax(axis=1), 0) if length else np.zeros(count, dtype=np.int64)
    block = Block(
        ahead=calendar.starting_with(length),
        path=np.zeros((3, count, horizon), dtype=np.int64), sums=np.zeros((3, count, horizon), dtype=np.int64),
        weights=np.zeros((count, METHOD_COUNT)), wape=np.full(count, np.nan), coverage=np.full(count, np.nan),
        tests=np.zeros(count, dtype=np.int64), tested_steps=np.zeros(count, dtype=np.int64), age=age,
    )  # fmt: skip
    for how, rows in _alike(age, calendar=calendar, horizon=horizon):
        begin = length - int(age[rows].max())
        _forecast(amounts[rows, begin:], age=age[rows], calendar=calendar.starting_with(begin), how=how, rows=rows, block=block, constants=constants)
    return block


def _alike(age: NDArray[np.int64], *, calendar: Calendar, horizon: int) -> Iterator[tuple[Plan, NDArray[np.int64]]]:
    """Yield the rows of series that are tried in the same way, the youngest first, as many as fit."""
    ordered = np.argsort(age, kind="stable")
    ordered = ordered[age[ordered] >= calendar.step.of_days(LEAST_DAYS)]
    plans = {int(old): plan(age=int(old), horizon=horizon, season=calendar.step.season) for old in np.unique(age[ordered])}
    for how in dict.fromkeys(plans.values()):
        rows = ordered[np.isin(age[ordered], [old for old, own in plans.items() if own == how])]
        moments = len(how.moments(int(age[rows].max()))) + 1
        together = max(1, CELLS_AT_ONCE // (moments * max(horizon, METHOD_COUNT * calendar.step.season)))
        for first in range(0, len(rows), together):
            yield how, rows[first : first + together]


def _forecast(
    amounts: Floats, *, age: NDArray[np.int64], calendar: Calendar, how: Plan, rows: NDArray[np.int64], block: Block, constants: Constants
) -> None:
    """Forecast the series in `amounts` (n, T), the oldest of which begins with the first column, and write them into `rows` of the block."""
    horizon, length = block.path.shape[2], amounts.shape[1]
    amounts = np.where(np.arange(length) >= (length - age)[:, None], amounts, np.nan)
    positions = np.array(calendar.positions(length + horizon), dtype=np.int64)
    moments = how.moments(length)
    ahead = [*(positions[moment : moment + how.horizon] for moment in moments), positions[length:]]
    horizons = [len(kinds) for kinds in ahead]
    outlook, memory = look_ahead(
        amounts, calendar=calendar, positions=positions, moments=[*moments, length], horizons=horizons, constants=constants
    )
    came = np.stack([amounts[:, moment : moment + how.horizon] for moment in moments])
    known = (~np.isnan(came)).mean(axis=2)
    history = np.maximum(np.array(moments)[:, None] - (length - age), 0).astype(np.float64)
    importance = np.where(known > 0.5, history**2, 0.0)
    total = np.where(importance > 0, np.nansum(came, axis=2) / np.maximum(known, 0.5), np.nan)
    verdict = judge(outlook, errors=outlook.totals(ahead)[:, :-1] - total, importance=importance, constants=constants)
    said = outlook.at(slice(-1)).paths(verdict.then, ahead[:-1])
    tests = BackTests(said=said, came=np.where(np.isnan(came), said, came), mean=memory.mean[:-1], importance=importance)
    path = outlook.at(slice(-1, None)).paths(verdict.weights[:, None], ahead[-1:])[0]
    _write(block, rows=rows, path=path, mean=memory.mean[-1], tests=tests, found=spread(tests, spacing=how.spacing))
    block.weights[rows] = verdict.weights.T
    block.tests[rows], block.tested_steps[rows] = (importance > 0).sum(axis=0), how.horizon


def _write(block: Block, *, rows: NDArray[np.int64], path: Floats, mean: Floats, tests: BackTests, found: Spread) -> None:
    """Write the path (n, H) with its intervals, rounded to nano-USD, and what the tests say of it."""
    unit = scale(path, mean=mean)
    of_sums = found.of_sums[:, np.minimum(np.arange(path.shape[1]), found.of_sums.shape[1] - 1)]
    half, half_of_sums = found.of_step[:, None] * unit, of_sums * np.cumsum(unit, axis=1)
    most = MOST_NUSD / path.shape[1]
    expected = _rounded(path, most=most)
    sums = np.cumsum(expected, axis=1)
    block.path[:, rows] = expected, np.minimum(_rounded(path - half, most=most), expected), np.maximum(_rounded(path + half, most=most), expected)
    low, high = (np.maximum.accumulate(_rounded(bound, most=MOST_NUSD), axis=1) for bound in (sums - half_of_sums, sums + half_of_sums))
    block.sums[:, rows] = sums, np.minimum(low, sums), np.maximum(high, sums)
    said, came = tests.said.sum(axis=2), tests.came.sum(axis=2)
    off, spent = (tests.importance * np.abs(said - came)).sum(axis=0), (tests.importance * came).sum(axis=0)
    block.wape[rows] = np.divide(off, spent, out=np.full_like(off, np.nan), where=spent > 0)
    block.coverage[rows] = found.coverage


def _rounded(amounts: Floats, *, most: float) -> NDArray[np.int64]:
    return np.rint(np.clip(amounts, 0.0, most)).astype(np.int64)
