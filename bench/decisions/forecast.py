"""Forecasts of recorded series, made of the days before each origin alone, beside what came."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.decisions.row import Row
from bench.spend import NUSD, Series, daily, servegen
from billing.engine.forecasting.block import Block, forecast_block
from billing.engine.forecasting.constants import FITTED, Constants
from billing.engine.forecasting.series import Calendar, Step

NN5, SERVEGEN = "forecast_nn5_daily.csv", "usage_servegen_hourly.csv"
CALENDAR = Calendar(step=Step.DAY, start=date(2024, 1, 1))
"""The files name no dates; all that counts is that every seventh day is of one kind."""
FIRST_ORIGIN, BETWEEN_ORIGINS, HORIZONS = 400, 30, (7, 30)
TARGETS = {7: 11.5, 30: 9.0}
REFERENCES = {7: "13.0 tuned exponential smoothing", 30: "10.3 tuned exponential smoothing"}
COVERS = (75.0, 85.0)
CLIENT_ORIGINS, CLIENT_HORIZON, CLIENT_TARGET = range(7, 12), 3, 26.0
OTHERS = (
    FITTED._replace(slow_gain=0.02), FITTED._replace(slow_gain=0.05), FITTED._replace(quick_gain=0.1), FITTED._replace(quick_gain=0.3),
    FITTED._replace(return_gain=0.01), FITTED._replace(return_gain=0.03), FITTED._replace(sharpness=2.0), FITTED._replace(sharpness=4.0),
)  # fmt: skip
"""What is chosen from, beside the fitted constants, for series that the choice has not seen."""


class Tried(NamedTuple):
    """Forecasts of totals beside what came, one for each series and origin. Nano-USD."""

    row: NDArray[np.float64]
    """The number of the series."""
    said: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    came: NDArray[np.float64]
    trivial: NDArray[np.float64]

    @property
    def ape(self) -> float:
        """The mean absolute percentage error."""
        return 100 * float(np.mean(np.abs(self.said - self.came) / self.came))

    @property
    def wape(self) -> float:
        return 100 * float(np.abs(self.said - self.came).sum() / self.came.sum())

    @property
    def covered(self) -> float:
        return 100 * float(((self.low <= self.came) & (self.came <= self.high)).mean())

    def of_half(self, half: int) -> "Tried":
        """Return every second series."""
        return Tried(*(part[self.row % 2 == half] for part in self))

    def by_trivial(self) -> "Tried":
        return self._replace(said=self.trivial)


def forecast_rows(data: Path) -> Iterator[tuple[str, ...]]:
    """Yield series, origin, horizon and total for each series of NN5 and each origin, after the heading."""
    series = daily(data / NN5)
    yield "series", "origin", "h", "total"
    for origin in _origins(series):
        rows = np.flatnonzero(series.lengths >= origin + max(HORIZONS))
        for horizon in HORIZONS:
            totals = _block(series.amounts[rows, :origin], horizon=horizon).sums[0, :, -1]
            yield from ((series.names[row], str(origin), str(horizon), f"{total / NUSD:.6f}") for row, total in zip(rows, totals, strict=True))


def forecast_table(data: Path) -> Iterator[Row]:
    yield from _nn5_table(daily(data / NN5))
    if (data / SERVEGEN).is_file():
        yield from _client_table(data / SERVEGEN)


def _nn5_table(series: Series) -> Iterator[Row]:
    for horizon in HORIZONS:
        target = TARGETS[horizon]
        ours = try_days(series, horizon=horizon)
        other = _unseen([try_days(series, horizon=horizon, constants=constants) for constants in OTHERS] + [ours], score=lambda found: found.ape)
        met, holds = (found.ape <= target and COVERS[0] <= found.covered <= COVERS[1] for found in (ours, other))
        told, other_told = (f"{found.ape:.2f} %, 80 % interval covers {found.covered:.1f} %" for found in (ours, other))
        trivial, wanted = f"{ours.by_trivial().ape:.1f} mean of 28 days", f"{target} %, covers {COVERS[0]:.0f} to {COVERS[1]:.0f} %"
        yield Row(f"forecast, {horizon} days, mean APE", told, other_told, trivial, REFERENCES[horizon], wanted, met, holds)


def _client_table(path: Path) -> Iterator[Row]:
    """Two weeks of real clients' use: requests, and what they would have cost, of which one client in 133 is more than half."""
    for column, target in (("requests", CLIENT_TARGET), ("cost_nominal_usd", None)):
        series = servegen(path, column=column)
        ours = try_clients(series)
        other = _unseen([try_clients(series, constants=constants) for constants in OTHERS] + [ours], score=lambda found: found.wape)
        trivial = ours.by_trivial().wape
        wanted, limit = (f"{target} %", target) if target else ("below the mean of 7 days", trivial)
        name, told = f"forecast, 3 days, clients' {column.split('_')[0]}, WAPE", (f"{ours.wape:.1f} %", f"{other.wape:.1f} %")
        yield Row(name, *told, f"{trivial:.1f} mean of 7 days", "none known", wanted, ours.wape <= limit, other.wape <= limit)


def try_days(series: Series, *, horizon: int, constants: Constants = FITTED) -> Tried:
    """Forecast days of NN5 at every origin."""
    return _try(series, origins=_origins(series), horizon=horizon, mean_of=28, constants=constants)


def try_clients(series: Series, *, constants: Constants = FITTED) -> Tried:
    """Forecast three days of ServeGen's clients, from a week of history on."""
    return _try(series, origins=CLIENT_ORIGINS, horizon=CLIENT_HORIZON, mean_of=7, constants=constants)


def _unseen(found: Sequence[Tried], *, score: Callable[[Tried], float]) -> Tried:
    """Return both halves of the series, each forecast by the constants that did best on the other half; `found` has one set of constants each."""
    halves = [min(found, key=lambda each, half=half: score(each.of_half(1 - half))).of_half(half) for half in (0, 1)]
    return Tried(*(np.concatenate(parts) for parts in zip(*halves, strict=True)))


def _try(series: Series, *, origins: Sequence[int], horizon: int, mean_of: int, constants: Constants) -> Tried:
    """Return the forecasts at each origin of every series that has something to say of itself and something to come. Unknown days of the future
    are filled in between their neighbours, as the scorer does it."""
    found = []
    for origin in origins:
        rows = np.flatnonzero(series.lengths >= origin + horizon)
        past = series.amounts[rows, :origin]
        block = _block(past, horizon=horizon, constants=constants)
        came = _filled(series.amounts[rows])[:, origin : origin + horizon].sum(axis=1)
        trivial = horizon * np.nanmean(past[:, -mean_of:], axis=1)
        found.append(np.stack([rows, *block.sums[:, :, -1].astype(np.float64), came, trivial])[:, block.tests > 0])
    return Tried(*np.concatenate(found, axis=1))


def _block(past: NDArray[np.float64], *, horizon: int, constants: Constants = FITTED) -> Block:
    return forecast_block(past, calendar=CALENDAR, horizon=horizon, constants=constants)


def _origins(series: Series) -> range:
    return range(FIRST_ORIGIN, int(series.lengths.max(initial=0)) - max(HORIZONS) + 1, BETWEEN_ORIGINS)


def _filled(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    days = np.arange(amounts.shape[1])
    return np.stack([np.interp(days, days[~np.isnan(row)], row[~np.isnan(row)]) for row in amounts])
