"""What the anomaly lanes say of recorded series: NAB by the fast lane, daily series by the slow one. Each point by itself and earlier ones."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from billing.engine.anomalies.lanes import DAILY, FAST, Lane, Profile, judge, learn
from billing.engine.anomalies.seasons import DAY, MINUTE, Clock, Places

Floats = NDArray[np.float64]
NAB_SWINGS, NAB_ALARM = 1.4, 0.5
"""So many swings are an alarm on NAB, and the score that they have. Fixed on the visible files, where anything from 1.2 to 1.5 does as well."""
HOUR = timedelta(hours=1)
NYC, NN5 = "anomaly_nyc_taxi_daily.csv", "anomaly_nn5_injected.csv"


def write_anomalies(data: Path, out: Path) -> None:
    """Write for each file of anomaly_nab/ one of the same name with the column score, and daily.csv for the daily files that are there."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "anomaly_nab").glob("*.csv")):
        _write(out / path.name, [("score",), *((f"{score:.6f}",) for score in nab_scores(path))])
    flags = list(daily_rows(data))
    if flags:
        _write(out / "daily.csv", [("key", "day", "flag"), *flags])


def nab_scores(path: Path) -> Floats:
    """Return a score in [0, 1] for each point of a file of NAB: NAB_ALARM for an alarm, 0 soon after a higher one."""
    instants, values = _series(path)
    step = _step(instants)
    swings = first_of_each(swings_of(instants, values, lane=lane_for(step)), within=max(1, FAST.quiet * FAST.bucket // step))
    return swings / (swings + NAB_SWINGS)


def lane_for(step: timedelta) -> Lane:
    """Return the fast lane for points so far apart: its times are kept, and what only spend has is left out, least amounts and the root.

    Files are two weeks long and begin with two days in which nothing counts, so two days are enough to begin.
    """
    hour, day, memory = HOUR // step, DAY // step, FAST.memory * FAST.bucket // step
    return replace(
        FAST, bucket=step, memory=memory, spans=(1, hour) if hour > 1 else (1,), recent=max(1, FAST.recent * FAST.bucket // step),
        swing_rank=min(FAST.swing_rank, -(-FAST.swing_rank * memory // FAST.memory)), power=1.0, least_known=2 * day,
        minimum_nusd=0, least_share=0.0,
    )  # fmt: skip


def swings_of(instants: list[datetime], values: Floats, *, lane: Lane) -> Floats:
    """Return by how many swings each point deviates, 0 while too little is known. As in the product, what is ordinary is learned each day."""
    clock = Clock(zone="UTC", bucket=lane.bucket)
    places, found, day = clock.places(instants), np.zeros(len(values)), DAY // lane.bucket
    for start in range(lane.least_known, len(values), day):
        end = min(len(values), start + day)
        profile = _learned(values[None, :start], lane=lane, clock=clock, places=places[:start])
        recent = values[None, max(0, start - lane.looks_back) : end]
        judged = judge(recent, lane=lane, profile=profile, places=[places[start:end]], newest=end - start, thresholds=np.ones(1))
        found[start:end] = np.max([np.abs(judgement.score[0]) for judgement in judged], axis=0)
    return found


def first_of_each(swings: Floats, *, within: int) -> Floats:
    """Return the swings without those that are no larger than one of the `within` points before: an anomaly that goes on is one."""
    before = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(within), swings]), within)[:-1].max(axis=1)
    return np.where(swings > before, swings, 0.0)


def daily_rows(data: Path) -> Iterator[tuple[str, str, str]]:
    """Yield key, day and flag for each day of the daily files that are in `data`, by the slow lane."""
    series: dict[str, dict[int, float]] = defaultdict(dict)
    if (data / NYC).is_file():
        series["nyc_taxi"].update((day, _value(row)) for day, row in enumerate(_rows(data / NYC)))
    if (data / NN5).is_file():
        for row in _rows(data / NN5):
            series[row["series"]][int(row["day"])] = _value(row)
    for key, days in series.items():
        values = np.array([[days.get(day, np.nan) for day in range(max(days) + 1)]])
        yield from ((key, str(day), str(int(flag))) for day, flag in enumerate(daily_flags(values)[0]) if day in days)


def daily_flags(values: Floats) -> NDArray[np.bool_]:
    """Return (series, days): is the day out of the ordinary by the slow lane? `values` has NaN for days that are not known."""
    lane, clock = replace(DAILY, minimum_nusd=0), Clock(zone="UTC", bucket=DAY)
    days = np.arange(values.shape[1])
    places, flags = Places(kind=np.zeros_like(days), slot=days % 7), np.zeros(values.shape, bool)
    for day in range(lane.least_known, values.shape[1]):
        profile = _learned(values[:, :day], lane=lane, clock=clock, places=places[:day])
        recent = values[:, max(0, day - lane.looks_back) : day + 1]
        flags[:, day] = judge(recent, lane=lane, profile=profile, places=[places[day : day + 1]])[0].is_found[:, 0]
    return flags


def _learned(past: Floats, *, lane: Lane, clock: Clock, places: Places) -> Profile:
    return learn(past[:, -lane.memory :], lane=lane, clocks=(clock,), places=[places[-lane.memory :]])


def _series(path: Path) -> tuple[list[datetime], Floats]:
    read = [(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC), _value(row)) for row in _rows(path)]
    return [instant for instant, _ in read], np.array([value for _, value in read])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as rows:
        yield from csv.DictReader(rows)


def _value(row: dict[str, str]) -> float:
    return float(row["value"]) if row["value"] else np.nan


def _write(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)


def _step(instants: list[datetime]) -> timedelta:
    """Return how far apart points usually are, in whole minutes."""
    seconds = np.median(np.diff([instant.timestamp() for instant in instants]))
    return max(1, round(seconds / 60)) * MINUTE
