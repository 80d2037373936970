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
    """Deviations are measured by the one of this rank, from the largest, in the memory: the larger ones are no measure for others."""
    threshold: float
    """So many such swings are an anomaly."""
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
    name="fast", bucket=timedelta(minutes=15), memory=35 * 96, spans=(1, 4), recent=32, swing_rank=10, threshold=1.75, power=0.5,
    least_known=7 * 96, quiet=8, minimum_nusd=100_000_000,
)  # fmt: skip
"""What is spent in a quarter of an hour is a few calls, whose spread grows with their number: roots make night and day comparable."""
DAILY = Lane(
    name="daily", bucket=timedelta(days=1), memory=70, spans=(1,), recent=7, swing_rank=3, threshold=2.0, power=1.0,
    least_known=28, quiet=3, minimum_nusd=500_000_000,
)  # fmt: skip


class Profile(Struct, frozen=True, kw_only=True):
    """What is ordinary for each series, learned from its past. Amounts in the lane's power of nano-USD; NaN where too little is known."""

    clocks: tuple[Clock, ...]
    usual: dict[int, tuple[Floats, ...]]
    """For each span, for each clock: (series, kinds, slots), what is usual in the bucket that ends the span."""
    level: tuple[Floats, ...]
    """For each clock: (series, kinds, slots), what the recent level usually is there."""
    swing: dict[int, Floats]
    """For each span: (series,), the deviation that others are measured by."""
    known: Whole
    """(series,): how many buckets of the past are known."""

    def of(self, rows: Whole) -> "Profile":
        """Return the profile of the series with these numbers, in their order; -1 is a series of which nothing is known."""
        return Profile(
            clocks=self.clocks, usual={span: tuple(_rows(each, rows) for each in tables) for span, tables in self.usual.items()},
            level=tuple(_rows(each, rows) for each in self.level), swing={span: _rows(each, rows) for span, each in self.swing.items()},
            known=np.append(self.known, 0)[rows],
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

    `past` is (series, buckets) in nano-USD, oldest first, NaN where nothing is known; `places` are those of the buckets on each clock. Of each
    bucket two things are likely: the **usual**, the median of the buckets like it, and the usual **carried** by as much as the recent level
    is above what it usually is there. A bucket deviates by the smallest distance from any of them, and not at all where they disagree about
    the direction, so neither a nightly job nor growth nor a new level that lasts deviates. The swing is the deviation of the lane's rank in
    the past: heavy tails are judged by heavy tails, and what has happened often enough is ordinary.
    Source: the robust z-score of Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), with a high rank in place of the MAD
    (docs/algorithms/anomaly.md says why).
    """
    level = mean_before(power(past, lane.power), width=lane.recent, gap=max(lane.spans))
    levels = [Season(level, places=place, clock=clock) for place, clock in zip(places, clocks, strict=True)]
    usual: dict[int, tuple[Floats, ...]] = {}
    swing: dict[int, Floats] = {}
    for span in lane.spans:
        values = power(mean_until(past, width=span), lane.power)
        spans = [Season(values, places=place, clock=clock) for place, clock in zip(places, clocks, strict=True)]
        usual[span] = tuple(season.table() for season in spans)
        likely = [each for own, recent in zip(spans, levels, strict=True) for each in _likely(own.of_others(), recent.of_others(), level)]
        swing[span] = ranked_from_top(np.abs(_agreed(values, likely)), rank=lane.swing_rank)
    known = (~np.isnan(past)).sum(axis=1)
    return Profile(clocks=tuple(clocks), usual=usual, level=tuple(season.table() for season in levels), swing=swing, known=known)


def judge(
    recent: Floats, *, lane: Lane, profile: Profile, places: Sequence[Places], newest: int = 1, thresholds: Floats | None = None
) -> list[Judgement]:
    """Judge the newest buckets of each series by its profile: one judgement for each span of the lane.

    `recent` is (series, buckets) in nano-USD, oldest first, and needs what the recent level is made of before the newest ones; `places` are
    those of the newest on each clock of the profile; `thresholds` has one a series, in place of the lane's. Amounts above 2 ** 53 (9 million USD
    in a bucket) are not exact.
    Worked number: with power 1, 10 usual and 8 carried, a bucket of 18 deviates by 8; with a swing of 4 and a threshold of 1.5 its score is
    8 / 4 / 1.5 = 1.33.
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
        room = (limits * profile.swing[span])[:, None]
        found.append(_judgement(values, likely, room=room, span=span, lane=lane, is_young=is_young))
    return found


def _rows(table: Floats, rows: Whole) -> Floats:
    unknown = np.full((1, *table.shape[1:]), np.nan)
    chosen: Floats = np.concatenate([table, unknown])[rows]
    return chosen


def _likely(usual: Floats, usual_level: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Return what is usual, and that carried to the level; the level alone where nothing is known to be usual."""
    return np.where(np.isnan(usual), level, usual), np.where(np.isnan(usual + usual_level), level, usual + level - usual_level)


def _agreed(values: Floats, likely: Sequence[Floats]) -> Floats:
    """Return the smallest deviation from what is likely, 0 where there is more as well as less of it."""
    deviations = [values - each for each in likely]
    least: Floats = np.minimum.reduce(deviations)
    most: Floats = np.maximum.reduce(deviations)
    return np.where(least > 0, least, np.where(most < 0, most, 0.0 * least))


def _judgement(values: Floats, likely: Sequence[Floats], *, room: Floats, span: int, lane: Lane, is_young: Bools) -> Judgement:
    deviation = np.nan_to_num(_agreed(values, likely))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.clip(np.nan_to_num(deviation / room), -HIGHEST_SCORE, HIGHEST_SCORE)
    candidates = np.stack(list(likely))
    nearest = np.take_along_axis(candidates, np.abs(values - candidates).argmin(axis=0)[None], axis=0)[0]
    ends = (values, nearest, candidates.min(axis=0) - room, candidates.max(axis=0) + room)
    actual, expected, low, high = (span * power(each, 1 / lane.power) for each in ends)
    expected = np.maximum(expected, 0.0)
    least = np.maximum(lane.minimum_nusd, lane.least_share * expected)
    is_found = (np.abs(score) >= 1) & (np.abs(actual - expected) >= least) & ~is_young[:, None]
    return Judgement(
        span=span, expected=expected, low=np.maximum(np.minimum(low, expected - least), 0.0),
        high=np.maximum(high, expected + least), score=score, is_found=is_found, is_young=is_young,
    )  # fmt: skip
