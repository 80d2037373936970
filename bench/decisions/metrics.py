"""The figures of shared/eval/evaluate.py in plain Python; tests/bench compares the two."""

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple


class Outcome(NamedTuple):
    """What a cascade does on labelled rows: a saving is never told without the quality kept."""

    kept: float
    """Quality of what is served, divided by that of the strong model alone."""
    saved: float
    """Share of the strong model's cost. Negative where drafts cost more than they save."""
    escalated: float


def auroc(good: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the probability that a good row has the higher score than a bad one, ties counting half; not a number without both kinds.

    Worked number: scores 0.9 and 0.4 of good rows, 0.5 of a bad one: one of two pairs is in order, 0.5.
    """
    positives = sum(good)
    negatives = len(good) - positives
    if not positives or not negatives:
        return float("nan")
    ranks, seen = 0.0, 0
    ordered = sorted(zip(scores, good, strict=True), key=lambda row: row[0])
    for _, equal in groupby(ordered, key=lambda row: row[0]):
        rows = list(equal)
        ranks += (seen + (len(rows) + 1) / 2) * sum(is_good for _, is_good in rows)
        seen += len(rows)
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def apgr(scores: Sequence[float], *, weak: Sequence[float], strong: Sequence[float]) -> float:
    """Return RouteLLM's average performance gap recovered: rows with the highest score go to the strong model first; 0.5 is chance."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    gap = sum(strong) - sum(weak)
    recovered = [0.0, *accumulate((strong[place] - weak[place]) / gap for place in order)]
    return sum((one + other) / 2 for one, other in pairwise(recovered)) / len(scores)


def outcome(
    accepted: Sequence[bool], *, draft: Sequence[float], strong: Sequence[float], cost: Sequence[float], strong_cost: Sequence[float]
) -> Outcome:
    """Return what these decisions keep and save. Every draft is paid for; a rejected one costs the strong model's answer besides."""
    served = sum(own if kept else other for kept, own, other in zip(accepted, draft, strong, strict=True))
    spent = sum(cost) + sum(price for kept, price in zip(accepted, strong_cost, strict=True) if not kept)
    return Outcome(kept=served / sum(strong), saved=1 - spent / sum(strong_cost), escalated=1 - sum(accepted) / len(accepted))
