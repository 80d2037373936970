"""A preset that serves a share of the calls, while the rest goes straight to the model that was used before."""

from hashlib import sha256
from math import sqrt

import msgspec
from msgspec import Struct

from cascade.engine.plans import CascadePlan

BUCKETS = 10_000
Z_95 = 1.959964
LEAST_LOTS = 30
"""Below, means of so few are not yet as normal as the intervals take them to be."""
SHADOW = "shadow_"
"""Begins the names of steps that are made beside a served answer."""


class Rollout(Struct, frozen=True, kw_only=True):
    """How far a preset is rolled out."""

    share: int = 100
    """Per cent of the end users that go through the cascade, 0 to 100."""
    shadow: bool = False
    """Are the calls of the others drafted and judged as well, without serving it?"""

    def takes(self, *, preset: str, lot: str) -> bool:
        """Does the call of this lot go through the cascade? The same lot stays there when the share grows.

        Worked number: with a share of 25, lots whose bucket is 0 to 2,499 of 10,000 do.
        """
        return bucket_of(preset=preset, lot=lot) < self.share * (BUCKETS // 100)


def bucket_of(*, preset: str, lot: str) -> int:
    """Return a number from 0 to 9,999 that is drawn from preset and lot alone: other presets draw anew for the same lot."""
    return int.from_bytes(sha256(f"{preset}\0{lot}".encode()).digest()[:8], "big") % BUCKETS


def shadow_of(plan: CascadePlan) -> CascadePlan | None:
    """Return the plan's first answer with its judge and its checks, and nothing to escalate to; None where no draft is judged."""
    first = plan.draft_legs[0]
    if plan.steps[first].validator is None:
        return None
    steps = tuple(
        msgspec.structs.replace(step, name=f"{SHADOW}{step.name}"[:64])
        for leg, step in enumerate(plan.steps)
        if leg == first or (step.kind == "check" and leg > first)
    )
    return msgspec.structs.replace(plan, steps=steps, arm="shadow")


class Sample(Struct, frozen=True):
    """A number of the runs of one arm, summed by lot: y is a lot's sum of it, n how many runs the lot has. Runs of one end user resemble each
    other, so lots are what is counted, not runs."""

    lots: int
    runs: int
    total: float
    y_squares: float
    """Sum over the lots of y squared; products and squares of n likewise."""
    products: float
    n_squares: float

    @property
    def mean(self) -> float:
        """Of a run."""
        return self.total / self.runs if self.runs else 0.0

    @property
    def variance(self) -> float:
        """Of the mean, as of a ratio of two sums over clusters. Source: Cochran, Sampling Techniques, 3rd edition, equation 6.4."""
        if self.lots < 2 or not self.runs:
            return 0.0
        around = self.y_squares - 2 * self.mean * self.products + self.mean**2 * self.n_squares
        return max(0.0, around) * self.lots / (self.lots - 1) / self.runs**2


class Measured(Struct, frozen=True, kw_only=True):
    """What was measured between two arms, and between which bounds it lies at 95 % confidence."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Are both bounds on one side of nothing?"""
        return self.low > 0 or self.high < 0


def saving(*, cascade: Sample, baseline: Sample) -> Measured | None:
    """Return, in per cent, how much cheaper a run of the cascade is than one of the baseline; None where there is too little to say.

    The interval is the delta method's for a ratio of two means. Worked number: 100 end users with a run each at 1,000 on average, the mean
    known to 50, against 100 at 4,000, known to 100: 75 % saved, between 72.3 and 77.7.
    """
    if min(cascade.lots, baseline.lots) < 2 or baseline.mean <= 0:
        return None
    ratio = cascade.mean / baseline.mean
    spread = Z_95 * sqrt(cascade.variance + ratio**2 * baseline.variance) / baseline.mean
    return Measured(value=100 * (1 - ratio), low=100 * (1 - ratio - spread), high=100 * (1 - ratio + spread))


def difference(*, cascade: Sample, baseline: Sample) -> Measured | None:
    """Return by how much the mean of the cascade's runs is above the baseline's; None where there is too little to say.

    Worked number: scores of 0.90, known to 0.01, beside 0.92, known to 0.01: 0.02 worse, between 0.048 worse and 0.008 better.
    """
    if min(cascade.lots, baseline.lots) < 2:
        return None
    value, spread = cascade.mean - baseline.mean, Z_95 * sqrt(cascade.variance + baseline.variance)
    return Measured(value=value, low=value - spread, high=value + spread)


def caution(*, cascade: Sample, baseline: Sample, saved: Measured | None) -> str:
    """Return why the measured figures cannot be relied on yet, as a sentence; empty where they can."""
    if not baseline.lots or not cascade.lots:
        idle, change = ("the baseline", "Lower") if cascade.lots else ("the cascade", "Raise")
        return f"Nothing is measured: {idle} has served nobody. {change} the share, so that it serves some of the end users."
    fewest = min(("the cascade", cascade.lots), ("the baseline", baseline.lots), key=lambda arm: arm[1])
    if fewest[1] < LEAST_LOTS:
        return f"Too early: {fewest[0]} has served {fewest[1]} end users, and {LEAST_LOTS} are the least to go by."
    if saved is not None and not saved.is_clear:
        return "Not clear yet: with what is known, the saving may be above or below nothing."
    return ""
