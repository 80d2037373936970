"""One probability from checks and measurements: a logistic combination (Cox, 1958) with constants fitted offline."""

from collections.abc import Mapping, Sequence
from math import exp

from cascade.engine.quality.evidence import Kind
from cascade.engine.quality.weights import PENALTIES, WEIGHTS
from cascade.engine.values import Check

__all__ = ["LOGPROB_NATS", "acceptability"]

LOGPROB_NATS = 5.0
TYPICAL_LOGPROB_SCORE = 0.9
"""Log-probabilities move the logit by 5 nats per unit of distance from 0.9. Set by judgement: no labelled rows with them at hand."""


def acceptability(*, kind: Kind, evidence: Mapping[str, float], checks: Sequence[Check]) -> float:
    """Return the probability, 0 to 1, that the draft is acceptable.

    logit = intercept + sum of weight x measurement - sum of penalty x (1 - check score); a fatal check caps it at 2 %.
    Worked number: a logit of 2.0 lowered by an arithmetic score of 0.3 at penalty 2.5 is 2.0 - 1.75 = 0.25: probability 0.56.
    """
    weights = WEIGHTS[kind]
    logit, cap = weights["intercept"], 1.0
    for name, value in evidence.items():
        logit += weights[name] * value
    penalties = PENALTIES[kind]
    for check in checks:
        if check.name == "logprobs":
            logit += LOGPROB_NATS * (check.score - TYPICAL_LOGPROB_SCORE)
        elif check.score < 1:
            logit -= penalties.get(check.name, 0.0) * (1 - check.score)
        if check.fatal:
            cap = 0.02
    return min(cap, 1 / (1 + exp(-max(-30.0, min(30.0, logit)))))
