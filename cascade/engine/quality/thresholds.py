"""From which probability on a draft is accepted: defaults, and how to find the threshold of one pair of models from labelled rows."""

from collections.abc import Sequence
from math import exp, log

from msgspec import Struct

from cascade.engine.quality.checks import QualityPreset
from cascade.engine.quality.evidence import Kind
from cascade.engine.values import Complexity

__all__ = ["BASE", "Calibration", "ScoredDraft", "calibrate_threshold", "default_threshold"]

BASE: dict[Kind, float] = {"worked": 0.86, "code": 0.87, "prose": 0.50}
"""Under "balanced". Worked and code were chosen on the visible rows (docs/algorithms/quality.md); prose is judged."""
_KIND_OF_DOMAIN: dict[str, Kind] = {"math": "worked", "code": "code"}
_PRESET_NATS: dict[QualityPreset, float] = {"fast": -0.6, "balanced": 0.0, "strict": 0.6}
_DOMAIN_NATS = {"medical": 0.8, "legal": 0.5}
_COMPLEXITY_NATS: dict[Complexity, float] = {"trivial": -0.2, "simple": 0.0, "moderate": 0.0, "hard": 0.0, "expert": 0.3}
"""Shifts in nats of log-odds, so that they mean the same near 0.5 and near 0.9. Judged, not fitted."""


def default_threshold(*, preset: QualityPreset, domain: str, complexity: Complexity, kind: Kind | None = None) -> float:
    """Return the probability from which a draft is accepted when the caller sets none.

    The kind of answer gives the base (None: the kind that the domain mostly has, for a plan made before there is a draft); preset, domain
    and complexity shift its log-odds.
    Worked number: balanced, math, hard is 0.86; strict adds 0.6 nats to ln(0.86 / 0.14) = 1.815: 1 / (1 + e^-2.415) = 0.918.
    """
    base = BASE[kind or _KIND_OF_DOMAIN.get(domain, "prose")]
    nats = log(base / (1 - base)) + _PRESET_NATS[preset] + _DOMAIN_NATS.get(domain, 0.0) + _COMPLEXITY_NATS[complexity]
    return round(1 / (1 + exp(-nats)), 4)


class ScoredDraft(Struct, frozen=True, kw_only=True):
    """One labelled row of a pair: the validator's score, and the quality (0 to 1) of both answers."""

    score: float
    draft_quality: float
    strong_quality: float


class Calibration(Struct, frozen=True, kw_only=True):
    """What a threshold does on the rows that it was chosen on. A saving is never told without the quality kept beside it."""

    threshold: float
    escalated: float
    """Share of rows whose draft is rejected."""
    quality_kept: float
    """Quality of the cascade divided by the strong model's."""
    rows: int


def calibrate_threshold(*, rows: Sequence[ScoredDraft], keep: float = 0.99) -> Calibration:
    """Return the lowest threshold from which on the cascade keeps at least `keep` of the strong model's quality on `rows`.

    The lowest such threshold escalates least and so saves most. When even escalating all does not reach `keep` (it keeps exactly 1.0, so
    this means keep > 1) or there are no rows, everything is escalated (threshold above 1). Time: n log n.
    Worked number: scores 0.2, 0.6, 0.9 with draft qualities 0, 1, 1 and a strong model always right: threshold 0.6 escalates a third and
    keeps 1.0.
    """
    ordered = sorted(rows, key=lambda row: row.score)
    strong = sum(row.strong_quality for row in ordered)
    cascade = sum(row.draft_quality for row in ordered)
    for position, row in enumerate(ordered):
        # Rows of equal score fall together, so a threshold can stand only before the first of them.
        if (position == 0 or row.score > ordered[position - 1].score) and cascade >= keep * strong - 1e-9:
            kept = cascade / strong if strong else 1.0
            return Calibration(threshold=row.score, escalated=position / len(ordered), quality_kept=kept, rows=len(ordered))
        cascade += row.strong_quality - row.draft_quality
    return Calibration(threshold=1.01, escalated=1.0, quality_kept=1.0, rows=len(ordered))
