"""Anomalies of spend: what was out of the ordinary, whose it was, and how much money that is."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from billing.engine.money import NUSD_PER_USD

CRITICAL_TIMES = 10
ANSWERS_A_STEP, MOST_STEPS, LESS_SENSITIVE = 3, 3, 1.5


class Series(Struct, frozen=True):
    """Whose spend: a dimension ("all", "end_user", "model", "domain", "api_key", as DayRollup has them) and the value in it."""

    dimension: str
    value: str = ""


class AnomalyKind(StrEnum):
    SPIKE = "spike"
    DROP = "drop"
    QUALITY_COLLAPSE = "quality_collapse"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def sensitivity_step(not_useful: int) -> int:
    """Return by how many steps a series is to be less sensitive whose anomalies were called "not useful" so often.

    Each third answer is a step, three steps are the most; a step raises the threshold by half. Worked number: 7 answers are 2 steps, and
    what must deviate by 1.3 swings must then by 2.93.
    """
    return min(not_useful // ANSWERS_A_STEP, MOST_STEPS)


class Impact(Struct, frozen=True, kw_only=True):
    """From how much money on somebody is to be told. It changes severities and alerts, never what is found."""

    minimum_nusd: int = 5 * NUSD_PER_USD
    minimum_percent: int = 30

    def severity_of(self, *, expected_nusd: int, actual_nusd: int) -> Severity:
        """Return `info` below the impact (both sums count), `critical` from ten times its money on, else `warning`.

        Worked number: 220 USD where 96 were expected are 124 USD and 129 % more: critical. 14 where 10 were expected are info.
        """
        off = abs(actual_nusd - expected_nusd)
        if off < self.minimum_nusd or 100 * off < self.minimum_percent * expected_nusd:
            return Severity.INFO
        return Severity.CRITICAL if off >= CRITICAL_TIMES * self.minimum_nusd else Severity.WARNING


class Figures(Struct, frozen=True, kw_only=True):
    """What was expected in some time, between which bounds nothing would be out of the ordinary, and what was spent. Nano-USD."""

    expected_nusd: int
    low_nusd: int
    high_nusd: int
    actual_nusd: int

    def plus(self, other: "Figures", *, times: int = 1) -> "Figures":
        return Figures(**{name: getattr(self, name) + times * getattr(other, name) for name in self.__struct_fields__})


class Anomaly(Struct, frozen=True, kw_only=True):
    """One time of one series that is out of the ordinary: a bucket, or as many in a row as go on being found."""

    series: Series
    lane: str
    kind: AnomalyKind
    started_at: datetime
    ended_at: datetime
    """The end of the last bucket, also where that is still running."""
    figures: Figures
    last: Figures
    """Of the last bucket alone."""
    score: float
    """How far from the ordinary: 1 is the threshold; for a drop as well."""
    severity: Severity
    usual_share: float | None = None
    """Of a collapse of quality: the share of drafts that is rejected usually, and now."""
    share: float | None = None

    @property
    def excess_nusd(self) -> int:
        """What was spent beyond what was expected; negative for a drop."""
        return self.figures.actual_nusd - self.figures.expected_nusd

    @property
    def ratio(self) -> float | None:
        """By how many times more was spent than expected; None where nothing was expected."""
        return self.figures.actual_nusd / self.figures.expected_nusd if self.figures.expected_nusd else None

    def followed_by(self, later: "Anomaly", *, impact: Impact) -> "Anomaly":
        """Return this anomaly gone on into the last bucket of `later`.

        The same bucket judged anew takes the place of its first judgement; an earlier one adds nothing.
        """
        if later.ended_at < self.ended_at:
            return self
        before = self.figures.plus(self.last, times=-1) if later.ended_at == self.ended_at else self.figures
        figures = before.plus(later.last)
        severity = impact.severity_of(expected_nusd=figures.expected_nusd, actual_nusd=figures.actual_nusd)
        return replace(
            self, ended_at=later.ended_at, figures=figures, last=later.last, score=max(self.score, later.score), severity=severity,
            usual_share=later.usual_share, share=later.share,
        )  # fmt: skip
