"""The Numenta Anomaly Benchmark: its score, as shared/eval/nab_score.py computes it (tests/bench compares the two), and our row of the table.

Source: Lavin and Ahmad, Evaluating real-time anomaly detection algorithms, ICMLA (2015), profile "standard".
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.decisions.anomalies import NAB_ALARM, nab_scores
from bench.decisions.row import Row

Floats = NDArray[np.float64]
FALSE_ALARM = 0.11
PROBATION, MOST_PROBATION = 0.15, 750
"""The beginning of a file, in which nothing counts."""
TARGET = 41.6
SPLITS, TRIED = 10, np.arange(0.4, 0.7, 0.01)
"""The files are parted so often into halves, and these thresholds are tried on each."""


class Weights(NamedTuple):
    """What an alarm at each place is worth: `inside` for each window, the earlier the more, and `outside` of them less than nothing."""

    windows: Sequence[slice]
    worth: Floats
    counts: NDArray[np.bool_]


def weights_of(path: Path) -> Weights:
    """Read the windows of a file (column in_window)."""
    with path.open(newline="", encoding="utf-8") as rows:
        inside = np.array([int(row["in_window"]) for row in csv.DictReader(rows)])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside, [0]])))
    windows = [slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    places, worth = np.arange(len(inside)), np.full(len(inside), -1.0)
    ends = [window.start for window in windows[1:]] + [len(inside)]
    for window, end in zip(windows, ends, strict=False):  # a file without windows has an end all the same
        last, width = window.stop - 1, window.stop - window.start
        worth[window] = _sigmoid(-(last - places[window] + 1) / width) / _sigmoid(np.array(-1.0))
        after = slice(window.stop, end)
        worth[after] = _sigmoid((places[after] - last) / max(1, width - 1))
    return Weights(windows=windows, worth=worth, counts=places >= min(int(PROBATION * len(inside)), MOST_PROBATION))


Scored = tuple[Floats, Weights]
"""Our scores of a file, and what alarms in it are worth."""


def nab_score(files: Sequence[Scored], *, threshold: float) -> float:
    """Return the score of alarms where scores reach the threshold: 0 is what silence has, 100 what is perfect.

    Of each window the best alarm counts, and a window without one costs 1; each alarm outside costs up to 0.11.
    """
    total, windows = 0.0, 0
    for scores, weights in files:
        alarms = (scores >= threshold) & weights.counts
        outside = alarms.copy()
        for window in weights.windows:
            worth = weights.worth[window][alarms[window]]
            total += worth.max() if len(worth) else -1.0
            outside[window] = False
        total += FALSE_ALARM * float(weights.worth[outside].sum())
        windows += len(weights.windows)
    return float(100 * (total + windows) / (2 * windows))


def anomaly_table(data: Path) -> Iterator[Row]:
    files = [(nab_scores(path), weights_of(path)) for path in sorted((data / "anomaly_nab").glob("*.csv"))]
    ours, unseen = nab_score(files, threshold=NAB_ALARM), _unseen(files)
    mean, worst = sum(unseen) / len(unseen), min(unseen)
    told = f"{mean:.1f}, worst half {worst:.1f}"
    yield Row("anomaly, NAB standard", f"{ours:.1f}", told, "9.8 z-score", "41.6 windowed Gaussian", f"{TARGET}", ours >= TARGET, mean >= TARGET)


def _unseen(files: Sequence[Scored]) -> list[float]:
    """Return the score of each half of the files at the threshold that does best on the other half."""
    found = []
    for seed in range(SPLITS):
        mixed = Random(seed).sample(range(len(files)), len(files))
        parts = [[files[at] for at in mixed[half::2]] for half in (0, 1)]
        for own, other in (parts, parts[::-1]):
            best = max(TRIED, key=lambda threshold, other=other: nab_score(other, threshold=threshold))
            found.append(nab_score(own, threshold=best))
    return found


def _sigmoid(places: Floats) -> Floats:
    """1 far inside a window, 0 at its end, -1 behind it."""
    return np.where(places > 3, -1.0, 2 / (1 + np.exp(np.clip(5 * places, -700, 700))) - 1)
