"""Is what a series spends out of the ordinary? For many series at once; nothing here knows whose they are."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from msgspec import Struct

from billing.engine.anomalies.robust import Bools, Floats, Whole, mean_before, mean_until, power, ranked_from_top
from billing.engine.anomalies.seasons import Clock, Places, Season

HIGHEST_SCORE = 99.0


class Lane(Struct, frozen=True, kw_only=True):
    """How spend in buckets of one length is judged. All counts are of buckets."""

    name: str
    bucket: timedelta
    memory: int
    """So many buckets before the newest are looked at."""
    spans: tuple[int, ...]
    """The newest bucket is judged alone, and together with those before it, so many in all."""
    recent: int
    """So many buckets make the recent level. They end before the longest span begins."""
    swing_rank: int
    """A swing is the deviation of this rank, from the largest, in the memory: larger ones are no measure for others."""
    threshold: float
    """So many swings are an anomaly."""
    power: float
    """Amounts are compared in this power."""
    least_known: int
    """With fewer known buckets a series is too young to be judged."""
    quiet: int
    """What is found within so many buckets of an anomaly is the same one."""
    minimum_nusd: int
    """What is off by less money is no anomaly."""
    least_share: float = 0.1
    """What is off by less than this share of what was expected is none either, however steady the series was."""

    @property
    def looks_back(self) -> int:
        """So many buckets before the newest are needed to judge it."""
        return self.recent + max(self.spans) - 1


FAST = Lane(
    name="fast", bucket=timedelta(minutes=15), memory=35 * 96, spans=(1, 4), recent=32, swing_rank=10, threshold=1.3, power=0.5,
    least_known=7 * 96, quiet=8, minimum_nusd=100_000_000,
)  # fmt: skip
"""What is spent in a quarter of an hour is a few calls, whose spread grows with their number: roots make night and day comparable."""
DAILY = Lane(
    name="daily", bucket=timedelta(days=1), memory=70, spans=(1,), recent=7, swing_rank=3, threshold=1.5, power=1.0,
    least_known=28, quiet=3, minimum_nusd=500_000_000,
)  # fmt: skip


class Profile(Struct, frozen=True, kw_only=True):
    """What is ordinary for each series, learned from its past. Amounts in the lane's power of nano-USD; NaN where too little is known."""

    clocks: tuple[Clock, ...]
    usual: dict[int, tuple[Floats, ...]]
    """For each span, for each clock: (series, kinds, slots), what is usual of the span that ends there."""
    level: tuple[Floats, ...]
    """For each clock: (series, kinds, slots), what the recent level usually is there."""
    swing: dict[int, tuple[Floats, ...]]
    """For each span, for each thing that is likely (two a clock): (series,), the deviation from it that others are measured by."""
    known: Whole
    """(series,): how many buckets of the past are known."""

    def of(self, rows: Whole) -> "Profile":
        """Return the profile of the series with these numbers, in their order; -1 is a series of which nothing is known."""
        return Profile(
            clocks=self.clocks, usual={span: tuple(_rows(each, rows) for each in tables) for span, tables in self.usual.items()},
            level=tuple(_rows(each, rows) for each in self.level),
            swing={span: tuple(_rows(each, rows) for each in swings) for span, swings in self.swing.items()}, known=np.append(self.known, 0)[rows],
        )


class Judgement(Struct, frozen=True, kw_only=True):
    """What is said of the newest buckets of each series: arrays of (series, newest), amounts in nano-USD of the span that ends with each."""

    span: int
    """So many buckets are judged together."""
    expected: Floats
    """Of what is likely, the nearest to what happened: no anomaly is made larger than it is."""
    low: Floats
    high: Floats
    """Between these nothing is out of the ordinary."""
    score: Floats
    """The deviation in swings, divided by the threshold; negative for too little."""
    is_found: Bools
    """Is it out of the ordinary? The score is 1 or more (-1 or less), and it is money."""
    is_young: Bools
    """(series,): too little is known to say; nothing is found, whatever the score."""


def learn(past: Floats, *, lane: Lane, clocks: Sequence[Clock], places: Sequence[Places]) -> Profile:
    """Return what is ordinary for each series.

    `past` is (series, buckets) in nano-USD, oldest first, NaN where nothing is known; `places` are those of the buckets on each clock. Two
    things are likely of a bucket: the **usual**, the median of the others like it, and the usual **carried** by as much as the recent level
    is above what it usually is there. From each a bucket deviates by so many swings, a swing being the deviation of the lane's rank in the
    past: heavy tails are judged by heavy tails, and what has happened often enough is ordinary.
    Source: the robust z-score of Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), with a high rank in place of the MAD
    (docs/algorithms/anomaly.md says why).
    """
    level = mean_before(power(past, lane.power), width=lane.recent, gap=max(lane.spans))
    levels = [Season(level, places=place, clock=clock) for place, clock in zip(places, clocks, strict=True)]
    usual: dict[int, tuple[Floats, ...]] = {}
    swing: dict[int, tuple[Floats, ...]] = {}
    for span in lane.spans:
        values = power(mean_until(past, width=span), lane.power)
        spans = [Season(values, places=place, clock=clock) for place, clock in zip(places, clocks, strict=True)]
        usual[span] = tuple(season.table() for season in spans)
        likely = [each for own, recent in zip(spans, levels, strict=True) for each in _likely(own.of_others(), recent.of_others(), level)]
        swing[span] = tuple(ranked_from_top(np.abs(values - each), rank=lane.swing_rank) for each in likely)
    known = (~np.isnan(past)).sum(axis=1)
    return Profile(clocks=tuple(clocks), usual=usual, level=tuple(season.table() for season in levels), swing=swing, known=known)


def judge(
    recent: Floats, *, lane: Lane, profile: Profile, places: Sequence[Places], newest: int = 1, thresholds: Floats | None = None
) -> list[Judgement]:
    """Judge the newest buckets of each series by its profile: one judgement for each span of the lane.

    `recent` is (series, buckets) in nano-USD, oldest first, with `lane.looks_back` buckets before the newest; `places` are those of the newest
    on each clock of the profile; `thresholds` has one a series, in place of the lane's. Amounts above 2 ** 53 (9 million USD in a bucket) are
    not exact.

    The score is the smallest of the deviations in swings, and 0 where they disagree about the direction: what is out of the ordinary is so by
    every measure. A nightly job is not by the usual; growth, and a new level that lasts, are not by the carried.
    Worked number: with power 1, 10 usual and 8 carried, swings of 4 and 2, a bucket of 18 deviates by 2 swings and by 5; with a threshold of
    1.6 its score is 2 / 1.6 = 1.25.
    """
    level = mean_before(power(recent, lane.power), width=lane.recent, gap=max(lane.spans))[:, -newest:]
    limits = np.full(len(recent), lane.threshold) if thresholds is None else thresholds
    is_young = profile.known < lane.least_known
    found = []
    for span in lane.spans:
        values = power(mean_until(recent, width=span), lane.power)[:, -newest:]
        likely = [
            each
            for place, usual, usually in zip(places, profile.usual[span], profile.level, strict=True)
            for each in _likely(usual[:, place.kind, place.slot], usually[:, place.kind, place.slot], level)
        ]
        rooms = [(limits * swing)[:, None] for swing in profile.swing[span]]
        found.append(_judgement(values, likely, rooms=rooms, span=span, lane=lane, is_young=is_young))
    return found


def _rows(table: Floats, rows: Whole) -> Floats:
    unknown = np.full((1, *table.shape[1:]), np.nan)
    chosen: Floats = np.concatenate([table, unknown])[rows]
    return chosen


def _likely(usual: Floats, usual_level: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Return what is usual, and that carried to the level; of what is not known, the level alone, or else what is usual."""
    stay, carried = np.where(np.isnan(usual), level, usual), usual + level - usual_level
    return stay, np.where(np.isnan(carried), np.where(np.isnan(level), stay, level), carried)


def _judgement(
    values: Floats, likely: Sequence[Floats], *, rooms: Sequence[Floats], span: int, lane: Lane, is_young: Bools
) -> Judgement:
    """Return what is said of `values`; within its room from what is likely nothing is out of the ordinary."""
    candidates, room = np.stack(list(likely)), np.stack(list(rooms))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_each = np.clip(np.nan_to_num((values - candidates) / room), -HIGHEST_SCORE, HIGHEST_SCORE)
    least, most = by_each.min(axis=0), by_each.max(axis=0)
    score = np.where(least > 0, least, np.where(most < 0, most, 0.0))
    nearest = np.take_along_axis(candidates, np.abs(values - candidates).argmin(axis=0)[None], axis=0)[0]
    ends = (values, nearest, (candidates - room).min(axis=0), (candidates + room).max(axis=0))
    actual, expected, low, high = (span * power(each, 1 / lane.power) for each in ends)
    expected = np.maximum(expected, 0.0)
    least_money = np.maximum(lane.minimum_nusd, lane.least_share * expected)
    return Judgement(
        span=span, expected=expected, low=np.maximum(np.minimum(low, expected - least_money), 0.0), high=np.maximum(high, expected + least_money),
        score=score, is_found=(np.abs(score) >= 1) & (np.abs(actual - expected) >= least_money) & ~is_young[:, None], is_young=is_young,
    )  # fmt: skip
