"""Finds anomalies in the spend of many series: 15-minute buckets in the fast lane, days in the slow one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from msgspec import Struct

from billing.engine.anomaly import LESS_SENSITIVE, Anomaly, AnomalyKind, Figures, Impact, Series
from billing.engine.budgets import Period, window_bounds
from billing.engine.lanes import FAST, Judgement, Lane, Profile, judge, learn
from billing.engine.seasons import DAY, clocks
from billing.engine.spend_history import SpendHistory


class Learned(Struct, frozen=True, kw_only=True):
    """What is ordinary for each of `series`. Good for a day; made of the past alone, so it can be kept and made anew at any time."""

    series: tuple[Series, ...]
    profile: Profile


class AnomalyDetector:
    """Finds what is out of the ordinary in one lane: FAST for buckets of 15 minutes, DAILY for days.

    It has no state and asks no clock: `learn` once a day from the lane's memory, `find` as often as one likes from the newest buckets.
    """

    def __init__(self, *, lane: Lane = FAST, impact: Impact | None = None) -> None:
        self.lane, self.impact = lane, impact or Impact()

    def learn(self, past: SpendHistory) -> Learned:
        """Return what is ordinary for each series. `past` has whole buckets only, at best `lane.memory` of them."""
        kept = clocks(zone=past.zone, bucket=self.lane.bucket, first_at=past.instants[0], last_at=past.instants[-1] + DAY)
        places = [clock.places(past.instants) for clock in kept]
        return Learned(series=past.series, profile=learn(past.amounts, lane=self.lane, clocks=kept, places=places))

    def judge(
        self, recent: SpendHistory, learned: Learned, *, newest: int = 1, steps: Mapping[Series, int] | None = None
    ) -> list[Judgement]:
        """Return what is said of the `newest` buckets of each series of `recent`, for each span of the lane: also the bands for a chart.

        `recent` has `lane.looks_back` buckets and the newest. A series that was not learned is young.
        """
        row = {series: number for number, series in enumerate(learned.series)}
        profile = learned.profile.of(np.array([row.get(series, -1) for series in recent.series], np.int64))
        places = [clock.places(recent.instants[-newest:]) for clock in profile.clocks]
        limits = self.lane.threshold * LESS_SENSITIVE ** np.array([(steps or {}).get(series, 0) for series in recent.series], np.float64)
        return judge(recent.amounts, lane=self.lane, profile=profile, places=places, newest=newest, thresholds=limits)

    def find(
        self, recent: SpendHistory, learned: Learned, *, steps: Mapping[Series, int] | None = None, ongoing: Sequence[Anomaly] = (),
        is_running: bool = False,
    ) -> list[Anomaly]:
        """Return the anomalies of the newest bucket, the largest in money first.

        `steps` are those of `sensitivity_step`. `ongoing` are the anomalies found so far: one that goes on, at most `lane.quiet` buckets
        after its last one, comes back longer, with the same start; judging a bucket again changes it and adds nothing. While the newest
        bucket `is_running`, what it has so far is compared with a whole one: a spike is seen at once, a drop only at the end.
        Worked number: 96 USD expected in a bucket, 220 spent: a critical spike with an excess of 124 USD.
        """
        judgements = self.judge(recent, learned, steps=steps)
        scores = np.stack([np.where(each.is_found[:, -1], each.score[:, -1], 0.0) for each in judgements])
        if is_running:
            scores = np.maximum(scores, 0.0)
        strongest = np.abs(scores).argmax(axis=0)
        found = [
            self._anomaly(recent, number, judgements[strongest[number]], alone=judgements[0])
            for number in np.flatnonzero(scores.any(axis=0)).tolist()
        ]
        return sorted((self._continued(each, ongoing) for each in found), key=lambda each: -abs(each.excess_nusd))

    def _anomaly(self, recent: SpendHistory, number: int, judgement: Judgement, *, alone: Judgement) -> Anomaly:
        figures = self._figures(recent, number, judgement)
        return Anomaly(
            series=recent.series[number], lane=self.lane.name, kind=AnomalyKind.SPIKE if judgement.score[number, -1] > 0 else AnomalyKind.DROP,
            started_at=self._bounds(recent, -judgement.span)[0], ended_at=self._bounds(recent, -1)[1], figures=figures,
            last=self._figures(recent, number, alone), score=abs(judgement.score[number, -1].item()),
            severity=self.impact.severity_of(expected_nusd=figures.expected_nusd, actual_nusd=figures.actual_nusd),
        )  # fmt: skip

    def _figures(self, recent: SpendHistory, number: int, judgement: Judgement) -> Figures:
        expected, low, high = (round(each[number, -1].item()) for each in (judgement.expected, judgement.low, judgement.high))
        actual = int(recent.spend_nusd[number, -judgement.span :].sum())
        return Figures(expected_nusd=expected, low_nusd=low, high_nusd=high, actual_nusd=actual)

    def _bounds(self, recent: SpendHistory, place: int) -> tuple[datetime, datetime]:
        """Return when the bucket begins and ends."""
        at = recent.instants[place]
        return (at, at + self.lane.bucket) if self.lane.bucket < DAY else window_bounds(period=Period.DAILY, zone=recent.zone, instant=at)

    def _continued(self, found: Anomaly, ongoing: Sequence[Anomaly]) -> Anomaly:
        """Return what is ongoing, longer by what was found; or what was found, where nothing was."""
        reach = found.started_at - self.lane.quiet * self.lane.bucket
        alike = [each for each in ongoing if (each.series, each.lane, each.kind) == (found.series, found.lane, found.kind) and each.ended_at >= reach]
        newest = max(alike, key=lambda each: each.ended_at, default=None)
        return newest.followed_by(found, impact=self.impact) if newest else found
