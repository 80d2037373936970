"""From which probability on a draft is accepted where nobody has calibrated the pair of models (calibration.py)."""

from math import exp, log

from cascade.engine.quality.checks import QualityPreset
from cascade.engine.quality.evidence import Kind
from cascade.engine.values import Complexity

__all__ = ["BASE", "default_threshold"]

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
