"""One probability from checks and measurements: a logistic combination (Cox, 1958) with constants fitted offline."""

from collections.abc import Mapping, Sequence
from math import exp
from typing import NamedTuple

from cascade.engine.quality.evidence import Kind
from cascade.engine.quality.weights import EDGES, PENALTIES, WEIGHTS
from cascade.engine.values import Check

__all__ = ["FITTED", "LOGPROB_NATS", "Constants", "acceptability"]

LOGPROB_NATS = 5.0
TYPICAL_LOGPROB_SCORE = 0.9
"""Log-probabilities move the logit by 5 nats per unit of distance from 0.9. Set by judgement: no labelled rows with them at hand."""


class Constants(NamedTuple):
    """What the combination was fitted to, by kind of answer and name."""

    weights: Mapping[Kind, Mapping[str, float]]
    penalties: Mapping[Kind, Mapping[str, float]]
    edges: Mapping[Kind, Mapping[str, tuple[float, float]]]


FITTED = Constants(weights=WEIGHTS, penalties=PENALTIES, edges=EDGES)


def acceptability(*, kind: Kind, evidence: Mapping[str, float], checks: Sequence[Check], constants: Constants = FITTED) -> float:
    """Return the probability, 0 to 1, that the draft is acceptable.

    logit = intercept + sum of weight x measurement - sum of penalty x (1 - check score); a fatal check caps it at 2 %. A measurement beyond
    what the fit has seen counts as the edge of that: nothing is known of there.
    Worked number: a logit of 2.0 lowered by an arithmetic score of 0.3 at penalty 2.5 is 2.0 - 1.75 = 0.25: probability 0.56.
    """
    weights, penalties, edges = constants.weights[kind], constants.penalties[kind], constants.edges[kind]
    logit, cap = weights["intercept"], 1.0
    for name, value in evidence.items():
        low, high = edges[name]
        logit += weights[name] * (low if value < low else min(value, high))
    for check in checks:
        if check.name == "logprobs":
            logit += LOGPROB_NATS * (check.score - TYPICAL_LOGPROB_SCORE)
        elif check.score < 1:
            logit -= penalties.get(check.name, 0.0) * (1 - check.score)
        if check.fatal:
            cap = 0.02
    return min(cap, 1 / (1 + exp(-max(-30.0, min(30.0, logit)))))
