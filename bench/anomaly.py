"""Anomaly detection: how long a tick takes, and what it finds in traffic of which it is known what is odd. No database. Prints
`name: figure (target)` lines; ends with 1 where a target is missed.

Times are processor time of this process. Making the traffic is not counted; making histories of rows is.
"""

import csv
import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from bench.decisions.anomalies import daily_flags
from bench.ledger.lines import Line
from bench.site import ROOT
from billing.engine.anomalies.anomaly import Series
from billing.engine.anomalies.consumption import Consumption, Used
from billing.engine.anomalies.detector import AnomalyDetector
from billing.engine.anomalies.drivers import drivers_of
from billing.engine.anomalies.history import SpendHistory, Spent, spend_history
from billing.engine.anomalies.lanes import FAST
from billing.engine.pricing import Price, Usage

RESULTS = ROOT / "bench/results/anomaly.json"
QUARTER, START, ZONE = FAST.bucket, datetime(2026, 3, 2, tzinfo=UTC), "Europe/Berlin"
DAY = 96
CALL_USD = 0.02
KINDS = {"all": (1, 40.0), "api_key": (8, 5.0), "model": (15, 2.5), "domain": (4, 10.0), "end_user": (50, 0.2)}
"""Of each dimension of a tenant: how many series a tick judges, and how many calls a quarter of an hour each has on average."""
TENANTS, TRIED = 200, 20
"""One tenant is like another, and judged for itself: a tenth of them is tried."""
TICK_TARGET_S, NIGHT_TARGET_S, EXPLANATION_TARGET_MS = 5.0, 120.0, 100.0


def traffic(rows: int, *, buckets: int, calls: float, seed: int) -> NDArray[np.int64]:
    """Return (rows, buckets) of spend in nano-USD: calls by chance about a profile of day and week that wanders, each of a cost by chance.

    Working hours have ten times the calls of nights, weekends a third; costs of single calls vary by as much as they are (gamma).
    """
    chance = np.random.default_rng(seed)
    at = np.arange(buckets)
    busy = 0.1 + np.clip(np.sin(2 * np.pi * (at % DAY / DAY - 0.25)), 0, None)
    profile = np.where(at // DAY % 7 >= 5, 0.3, 1.0) * busy
    wander = np.zeros((rows, buckets))
    for column in range(1, buckets):
        wander[:, column] = 0.95 * wander[:, column - 1] + chance.normal(0, 0.06, rows)
    count = chance.poisson(calls * profile / profile.mean() * np.exp(wander))
    return np.rint(chance.gamma(count * 1.0) * CALL_USD * 1e9).astype(np.int64)


def history(spend: NDArray[np.int64], *, last_at: datetime) -> SpendHistory:
    instants = tuple(last_at - QUARTER * back for back in reversed(range(spend.shape[1])))
    series = tuple(Series("model", str(row)) for row in range(len(spend)))
    return SpendHistory(series=series, spend_nusd=spend, known=np.ones(spend.shape, bool), instants=instants, zone="UTC")


def tenant_rows(seed: int) -> list[Spent]:
    """Return the sums of one tenant as a query gives them: a row for each bucket in which a series spent anything."""
    rows = []
    for dimension, (count, calls) in KINDS.items():
        for number, spend in enumerate(traffic(count, buckets=FAST.memory + 1, calls=calls, seed=seed).tolist()):
            series = Series(dimension, f"{number}")
            rows += [Spent(series, START + QUARTER * at, amount) for at, amount in enumerate(spend) if amount]
    return rows


def ticks(given: Namespace) -> Iterator[Line]:
    tried = 2 if given.quick else TRIED
    night, tick, series = 0.0, 0.0, 0
    last_at = START + QUARTER * FAST.memory
    detector = AnomalyDetector()
    for seed in range(tried):
        rows = tenant_rows(seed)
        newest = [row for row in rows if row.at >= last_at - QUARTER * FAST.looks_back]
        began = process_time()
        past = spend_history(rows, bucket=QUARTER, buckets=FAST.memory, last_at=last_at - QUARTER, zone=ZONE, known_since=START)
        learned = detector.learn(past)
        night += process_time() - began
        began = process_time()
        recent = spend_history(newest, bucket=QUARTER, buckets=FAST.looks_back + 1, last_at=last_at, zone=ZONE, known_since=START, of=past.series)
        detector.find(recent, learned)
        tick += process_time() - began
        series += len(recent.series)
    times = TENANTS / tried
    of = f"{TENANTS} tenants, {round(series * times):,} series"
    yield Line(f"tick of the fast lane, {of}", f"{tick * times:.1f} s", f"target {TICK_TARGET_S:.0f} s", tick * times <= TICK_TARGET_S)
    yield Line(f"learning, once a day, {of}", f"{night * times:.0f} s", f"target {NIGHT_TARGET_S:.0f} s", night * times <= NIGHT_TARGET_S)
    size = sum(each.nbytes for tables in learned.profile.usual.values() for each in tables) + sum(each.nbytes for each in learned.profile.level)
    yield Line("what is learned of a series", f"{size / len(learned.series) / 1000:.1f} kB")


def explanations(given: Namespace) -> Iterator[Line]:
    price = Price(version="1", input_nusd=150_000_000, output_nusd=600_000_000)
    chance = np.random.default_rng(1)

    def window() -> Consumption:
        used = tuple(
            Used(
                role="draft" if number < 10 else "later", model=str(number), calls=calls, price=price, cost_nusd=cost,
                usage=Usage(input_tokens=inputs, output_tokens=outputs),
            )
            for number, (calls, inputs, outputs, cost) in enumerate(chance.integers(1, (10**4, 10**9, 10**9, 10**12), (20, 4)).tolist())
        )  # fmt: skip
        return Consumption(runs=10_000, used=used)

    pairs = [(window(), window()) for _ in range(3 if given.quick else 30)]
    began = process_time()
    for actual, baseline in pairs:
        drivers_of(actual=actual, baseline=baseline)
    took = 1000 * (process_time() - began) / len(pairs)
    yield Line("drivers of an anomaly, 20 models", f"{took:.0f} ms", f"target {EXPLANATION_TARGET_MS:.0f} ms", took <= EXPLANATION_TARGET_MS)


def found_in(spend: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (series, buckets): is a spike found there in the days after the lane's memory? What is ordinary is learned once a day."""
    detector, found = AnomalyDetector(), np.zeros(spend.shape, bool)
    for day in range(FAST.memory, spend.shape[1], DAY):
        end = day + DAY
        learned = detector.learn(history(spend[:, day - FAST.memory : day], last_at=START + QUARTER * (day - 1)))
        recent = history(spend[:, day - FAST.looks_back : end], last_at=START + QUARTER * (end - 1))
        for judgement in detector.judge(recent, learned, newest=DAY):
            found[:, day:end] |= judgement.is_found & (judgement.score > 0)
    return found


def alarms_of(found: NDArray[np.bool_]) -> int:
    """Return how many anomalies the findings are: what is found soon after another is the same one."""
    before = np.zeros_like(found)
    for back in range(1, FAST.quiet + 2):
        before[:, back:] |= found[:, :-back]
    return int((found & ~before).sum())


def quarters(given: Namespace) -> Iterator[Line]:
    """False alarms in traffic that is ordinary, and how many spikes are found, for series of several sizes."""
    rows, days = (10, 7) if given.quick else (100, 28)
    for calls in (0.2, 2.5, 10.0, 40.0):
        spend = traffic(rows, buckets=FAST.memory + days * DAY, calls=calls, seed=7)
        a_month = 30 * alarms_of(found_in(spend)) / (rows * days)
        mean = float(spend.mean()) / 1e9
        told = [f"{a_month:.2f} false alarms a month"]
        for times, dollars in ((10, 10 * mean), (30, 30 * mean), (0, 5.0)):
            recall = spikes_found(spend, nusd=round(dollars * 1e9))
            told.append(f"+{f'{times} x the mean' if times else '5 USD'} found {100 * recall:.0f} %")
        yield Line(f"series of {mean:.3f} USD a quarter of an hour", ", ".join(told))


def spikes_found(spend: NDArray[np.int64], *, nusd: int) -> float:
    """Put one spike into the second day after the memory of each series, at any time of it, and return the share that is found in its bucket."""
    chance = np.random.default_rng(3)
    at, rows = FAST.memory + DAY + chance.integers(0, DAY, len(spend)), np.arange(len(spend))
    spiked = spend[:, : FAST.memory + 2 * DAY].copy()
    spiked[rows, at] += nusd
    return float(found_in(spiked)[rows, at].mean())


def days(given: Namespace) -> Iterator[Line]:
    """The slow lane on cash withdrawn from machines each day, some days of which are multiplied."""
    path = given.data / "forecast_nn5_daily.csv"
    if not path.is_file():
        return
    series: dict[str, list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as read:
        for row in csv.DictReader(read):
            series[row["series"]].append(float(row["value"]) if row["value"] else np.nan)
    values = np.array(list(series.values())[: 5 if given.quick else None])
    factors, chance = np.ones(values.shape), np.random.default_rng(7)
    for row in factors:
        row[chance.choice(np.arange(60, len(row)), 9, replace=False)] = (2, 3, 5) * 3
    flags, seen = daily_flags(values * factors), np.arange(values.shape[1]) >= 60
    told = [f"x{factor} found {100 * flags[(factors == factor) & seen].mean():.0f} %" for factor in (2, 3, 5)]
    false = 1000 * flags[(factors == 1) & seen].mean()
    yield Line("slow lane, NN5 with some days multiplied", f"{', '.join(told)}, {false:.1f} false alarms in 1,000 days")


PARTS: dict[str, Callable[[Namespace], Iterator[Line]]] = {"ticks": ticks, "explanations": explanations, "quarters": quarters, "days": days}


def main() -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="these parts alone")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folder with recorded series (default: ../shared/data)")
    parser.add_argument("--quick", action="store_true", help="fewer trials, to see that all works: proves less")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    lines: list[Line] = []
    for name in given.only:
        for line in PARTS[name](given):
            lines.append(line)
            print(line, flush=True)
    if given.save:
        RESULTS.write_text(json.dumps([line._asdict() for line in lines], indent=1) + "\n")
    return int(any(line.met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
