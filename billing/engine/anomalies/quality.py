"""A cheap model that got worse: more of its drafts are rejected than ever, though the money may hardly have moved."""

from collections.abc import Sequence
from datetime import datetime
from math import sqrt

from msgspec import Struct

from billing.engine.anomalies.anomaly import LESS_SENSITIVE, Anomaly, AnomalyKind, Figures, Impact, Series

LEAST_DAYS, LEAST_A_DAY, LEAST_JUDGED, LEAST_REJECTED = 7, 20, 40, 10
"""A past of so many days with so many judged drafts each, and now so many, of which so many were rejected."""
LEAST_RISE = 0.05
"""A smaller rise of the share is no collapse, however sure it is."""
CONFIDENCE = 4.0
"""In standard errors, for each of the two intervals: chance alone parts them in one of 30,000 looks, or fewer."""


class Judged(Struct, frozen=True, kw_only=True):
    """What became of the drafts of one model in some time: how many were judged, how many rejected, and what came after those (nano-USD).

    One query of the book gives it, for the first legs of runs that answered and the later legs of the same runs. What models that are asked
    by name say is not judged, so only the drafts of presets count.

        SELECT draft.model, date_trunc('day', draft.occurred_at) AS day, count(*) AS judged,
               count(*) FILTER (WHERE draft.outcome = 'rejected') AS rejected,
               coalesce(sum(later.amount_nusd) FILTER (WHERE draft.outcome = 'rejected'), 0) AS later_nusd
        FROM billing_costentry draft
        LEFT JOIN LATERAL (
            SELECT sum(amount_nusd) AS amount_nusd FROM billing_costentry
            WHERE reservation_id = draft.reservation_id AND leg > 0
        ) later ON true
        WHERE draft.occurred_at >= %(start)s AND draft.occurred_at < %(end)s AND draft.booked_at >= %(start)s
          AND draft.leg = 0 AND draft.preset NOT LIKE 'direct:%%'
          AND draft.outcome IN ('accepted', 'rejected') AND draft.kind IN ('settled', 'estimated')
        GROUP BY 1, 2
    """

    judged: int
    rejected: int
    later_nusd: int = 0


class Shares(Struct, frozen=True, kw_only=True):
    """The share of drafts that is rejected, usually and now, and how sure it is that it rose."""

    usual: float
    usual_high: float
    """The highest that the usual share may really be."""
    now: float
    now_low: float
    """The lowest that the share now may really be."""

    @property
    def score(self) -> float:
        """By how much the share rose, by how much it must rise to part the two intervals: from 1 on it surely did."""
        return (self.now - self.usual) / (self.now - self.now_low + self.usual_high - self.usual)


def spread_between(days: Sequence[Judged], *, share: float) -> float:
    """Return how alike the drafts of one day are (the intraclass correlation), 0 where days differ by chance alone.

    Counts of a day vary more than coins do, because the prompts of a day resemble each other; a share of n drafts is then only as sure as one
    of n / (1 + (n - 1) x this). By moments, as for the beta-binomial: Williams, Extra-binomial variation in logistic linear models, Applied
    Statistics 31 (1982).
    """
    variance = share * (1 - share)
    if variance <= 0 or len(days) < 2:
        return 0.0
    counts = [day.judged for day in days]
    chi = sum((day.rejected - day.judged * share) ** 2 / (day.judged * variance) for day in days)
    typical = (sum(counts) - sum(count**2 for count in counts) / sum(counts)) / (len(days) - 1)
    return min(1.0, max(0.0, (chi / (len(days) - 1) - 1) / max(typical - 1, 1.0)))


def wilson(*, share: float, count: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval in which a share lies that was seen in `count` trials.

    Source: Wilson, Probable inference, JASA 22 (1927). Worked number: 0.2 of 100 at 1.96 standard errors is 0.133 to 0.289.
    """
    square = confidence**2
    middle = share + square / (2 * count)
    reach = confidence * sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, (middle - reach) / (1 + square / count)), min(1.0, (middle + reach) / (1 + square / count))


def shares_of(*, now: Judged, past: Sequence[Judged], confidence: float = CONFIDENCE) -> Shares | None:
    """Return how the share of rejected drafts compares with the past, given day by day; None where too little is known to compare."""
    days = [day for day in past if day.judged >= LEAST_A_DAY]
    if len(days) < LEAST_DAYS or now.judged < LEAST_JUDGED:
        return None
    judged = sum(day.judged for day in days)
    usual, share = sum(day.rejected for day in days) / judged, now.rejected / now.judged
    alike = spread_between(days, share=usual)
    known = sum(day.judged / (1 + (day.judged - 1) * alike) for day in days)
    return Shares(
        usual=usual, usual_high=wilson(share=usual, count=known, confidence=confidence)[1], now=share,
        now_low=wilson(share=share, count=now.judged / (1 + (now.judged - 1) * alike), confidence=confidence)[0],
    )  # fmt: skip


def quality_collapse(
    *, model: str, now: Judged, past: Sequence[Judged], started_at: datetime, ended_at: datetime, lane: str = "daily", step: int = 0,
    impact: Impact | None = None,
) -> Anomaly | None:
    """Return the collapse of a draft model's quality in a window, or None: the share of its drafts that are rejected left its own past.

    `past` has the days of the past weeks, `step` is that of `sensitivity_step`. The money is what came after the drafts that would not have
    been rejected usually, at what came after a rejected one on average. Two Wilson intervals must part, made wider by as much as days differ
    more than chance, and the rise be five hundredths or more.
    Worked number: 28 days of 200 drafts with 40 rejected each, and then 100 rejected of 200 for 0.50 USD: usually 0.2, now 0.5 (surely above
    0.36); 60 of the 100 were too many, so 0.30 USD.
    """
    shares = shares_of(now=now, past=past, confidence=CONFIDENCE * LESS_SENSITIVE**step)
    if shares is None or shares.score < 1 or shares.now - shares.usual < LEAST_RISE or now.rejected < LEAST_REJECTED:
        return None
    expected = round(now.later_nusd * shares.usual / shares.now)
    figures = Figures(
        expected_nusd=expected, low_nusd=0, high_nusd=round(now.later_nusd * shares.usual_high / shares.now), actual_nusd=now.later_nusd
    )
    severity = (impact or Impact()).severity_of(expected_nusd=expected, actual_nusd=now.later_nusd)
    return Anomaly(
        series=Series("model", model), lane=lane, kind=AnomalyKind.QUALITY_COLLAPSE, started_at=started_at, ended_at=ended_at, figures=figures,
        last=figures, score=shares.score, severity=severity, usual_share=shares.usual, share=shares.now,
    )  # fmt: skip
