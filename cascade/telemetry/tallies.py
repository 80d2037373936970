"""Counts between two sendings. OpenTelemetry's own instruments cost thirteen microseconds a measure; a run has a dozen of them."""

import math
from bisect import bisect_left
from threading import Lock

from msgspec import Struct

from cascade.telemetry.metrics import Measure, Metric

__all__ = ["Spread", "Tallied", "Tally"]

Series = tuple[Metric, tuple[str, ...]]


class Spread(Struct):
    """One series of a histogram: `counts[n]` values were at most `buckets[n]` and above the bucket before, the last ones above all."""

    counts: list[int]
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf

    def add(self, bounds: tuple[float, ...], value: float) -> None:
        self.counts[bisect_left(bounds, value)] += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)


class Tallied(Struct, frozen=True):
    """What was counted up to a moment."""

    sums: dict[Series, float]
    spreads: dict[Series, Spread]


class Tally:
    """Adds measures up. `seen()` and `take_away()` may be called by another thread than `add()`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sums: dict[Series, float] = {}
        self._spreads: dict[Series, Spread] = {}

    def add(self, measure: Measure) -> None:
        metric, value, labels = measure
        series = metric, labels
        with self._lock:
            if metric.kind == "counter":
                self._sums[series] = self._sums.get(series, 0.0) + value
                return
            spread = self._spreads.get(series)
            if spread is None:
                spread = self._spreads[series] = Spread([0] * (len(metric.buckets) + 1))
            spread.add(metric.buckets, value)

    def seen(self) -> Tallied:
        """Return a copy of what was counted so far."""
        with self._lock:
            spreads = {series: Spread(spread.counts.copy(), spread.total, spread.least, spread.most) for series, spread in self._spreads.items()}
            return Tallied(self._sums.copy(), spreads)

    def take_away(self, seen: Tallied) -> None:
        """Count on from there: what was seen has been told. What was not counted again since is forgotten."""
        with self._lock:
            for series, value in seen.sums.items():
                self._sums[series] -= value
            for series, spread in seen.spreads.items():
                now = self._spreads[series]
                now.counts = [count - told for count, told in zip(now.counts, spread.counts, strict=True)]
                now.total -= spread.total
            self._sums = {series: value for series, value in self._sums.items() if value}
            self._spreads = {series: spread for series, spread in self._spreads.items() if any(spread.counts)}
