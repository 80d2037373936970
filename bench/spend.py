"""Recorded series as what a forecaster sees: rows of amounts, not a number where unknown. One unit of a file counts as one USD."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUSD = 1e9
HOURS = 24


class Series(NamedTuple):
    names: list[str]
    amounts: NDArray[np.float64]
    """(n, T) in nano-USD. Series that are shorter than the longest end in not-a-number."""
    lengths: NDArray[np.int64]


def daily(path: Path) -> Series:
    """Read a file of series, day, value, where an empty value is a day that is not known."""
    found: dict[str, list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            found[row["series"]].append(float(row["value"]) * NUSD if row["value"] else np.nan)
    return _of(found)


def servegen(path: Path, *, column: str) -> Series:
    """Read a file of client_id, hour and measurements as sums of whole days; a client of which the column is not known throughout is left out."""
    found: dict[str, list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            found[row["client_id"]].append(float(row[column]) * NUSD if row[column] else np.nan)
    whole = {name: np.reshape(hours[: len(hours) // HOURS * HOURS], (-1, HOURS)).sum(axis=1).tolist() for name, hours in found.items()}
    return _of({name: days for name, days in whole.items() if not np.isnan(days).any()})


def _of(found: dict[str, list[float]]) -> Series:
    lengths = np.array([len(values) for values in found.values()], dtype=np.int64)
    amounts = np.full((len(found), int(lengths.max(initial=0))), np.nan)
    for row, values in enumerate(found.values()):
        amounts[row, : len(values)] = values
    return Series(list(found), amounts, lengths)
