"""Time and memory of forecasts: no database, each figure in processes of its own, one for each core. Prints `name: figure (target)` lines; ends
with 1 where a target is missed.

Every forecast has its back-tests, the choice of methods by them, and its intervals. Times are processor time, shared by two cores: what
neighbours take from the machine is theirs. What a clock on the wall showed stands beside it. Making the series is not counted.
"""

import argparse
import json
import resource
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from bench.ledger.lines import Line
from bench.site import ROOT
from billing.engine.forecasting.block import forecast_block
from billing.engine.forecasting.series import Calendar, Step

RESULTS = ROOT / "bench/results/forecast.json"
CORES = 2
CALENDAR = Calendar(step=Step.DAY, start=date(2025, 1, 1))
HORIZON = 30
SERIES, SERIES_DAYS, SERIES_TARGET_S = 10_000, 400, 60.0
TENANTS, TRIED_TENANTS, END_USERS, END_USER_DAYS, NIGHT_TARGET_S = 200, 20, 20_000, 120, 600.0
"""One tenant is like another, and forecast for itself: a tenth of them is tried."""
MEMORY_TARGET_MB = 400
WEEK = np.array([1.0, 1.1, 1.1, 1.05, 0.9, 0.4, 0.3])


def steady(rows: int, days: int, *, seed: int) -> NDArray[np.float64]:
    """Return series of tenants: a level that drifts, weekdays, noise, a wild day here and there. Nano-USD."""
    chance = np.random.default_rng(seed)
    level = chance.lognormal(3, 1, (rows, 1)) * np.exp(np.cumsum(chance.normal(0, 0.02, (rows, days)), axis=1))
    wild = np.where(chance.random((rows, days)) < 0.01, 5.0, 1.0)
    return np.rint(level * np.resize(WEEK, days) * chance.lognormal(0, 0.2, (rows, days)) * wild * 1e9)


def sparse(rows: int, days: int, *, seed: int) -> NDArray[np.float64]:
    """Return series of end users, who come on one day in fifty to two in five, and of whom half came for the first time on the way. Nano-USD."""
    chance = np.random.default_rng(seed)
    comes = chance.random((rows, days)) < chance.uniform(0.02, 0.4, (rows, 1))
    since = np.maximum(chance.integers(-days, days, (rows, 1)), 0)
    return np.where(comes & (np.arange(days) >= since), np.rint(chance.lognormal(0, 1, (rows, days)) * 1e6), 0.0)


def forecast(make: Callable[..., NDArray[np.float64]], rows: int, days: int, seed: int) -> tuple[float, float, int]:
    """Make one block of series and forecast it. Return the seconds of the processor and of the wall, and how many have a forecast."""
    amounts = make(rows, days, seed=seed)
    began, began_at = process_time(), perf_counter()
    block = forecast_block(amounts, calendar=CALENDAR, horizon=HORIZON)
    return process_time() - began, perf_counter() - began_at, int((block.tests > 0).sum())


def peak_mb(_: int) -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def lines(name: str, make: Callable[..., NDArray[np.float64]], *, blocks: int, of: int, rows: int, days: int, target_s: float) -> Iterator[Line]:
    """Forecast `blocks` of series on all cores; where they are fewer than the `of` that are meant, the time is that of all by proportion."""
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as cores:
        found = list(cores.map(forecast, *zip(*[(make, rows, days, seed) for seed in range(blocks)], strict=True)))
        peaks = max(cores.map(peak_mb, range(CORES * 4)))
    took, wall, have = (sum(column) for column in zip(*found, strict=True))
    seconds, on_wall = (each / CORES * of / blocks for each in (took, wall))
    told = f"{seconds:.1f} s on {CORES} cores ({on_wall:.1f} on the wall), {have:,} of {blocks * rows:,} had a forecast"
    yield Line(name, told + ("" if blocks == of else f", {blocks} blocks of {of} tried"), f"target {target_s:.0f} s", seconds <= target_s)
    yield Line(f"{name}, peak memory of a process", f"{peaks} MB", f"target {MEMORY_TARGET_MB} MB", peaks <= MEMORY_TARGET_MB)


def series(*, quick: bool) -> Iterator[Line]:
    rows = SERIES // 10
    name = f"{SERIES:,} series of {SERIES_DAYS} days, {HORIZON} days ahead"
    yield from lines(name, steady, blocks=2 if quick else 10, of=10, rows=rows, days=SERIES_DAYS, target_s=SERIES_TARGET_S)


def night(*, quick: bool) -> Iterator[Line]:
    name = f"a night: {TENANTS} tenants x {END_USERS:,} end users, {END_USER_DAYS} days, {HORIZON} ahead"
    blocks = 2 if quick else TRIED_TENANTS
    yield from lines(name, sparse, blocks=blocks, of=TENANTS, rows=END_USERS, days=END_USER_DAYS, target_s=NIGHT_TARGET_S)


PARTS = {"series": series, "night": night}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="fewer blocks: proves less")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    found: list[Line] = []
    for name in given.only:
        for line in PARTS[name](quick=given.quick):
            found.append(line)
            print(line, flush=True)
    if given.save:
        RESULTS.write_text(json.dumps([line._asdict() for line in found], indent=1) + "\n")
    return int(any(line.met is False for line in found))


if __name__ == "__main__":
    sys.exit(main())
