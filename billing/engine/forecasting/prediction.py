"""What a forecast says, in nano-USD, and how far it can be trusted. Plain values: they are stored, sent and shown without the engine."""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct

from billing.engine.forecasting.series import Step

EARLY_DAYS = 14


class Estimate(Struct, frozen=True, kw_only=True):
    """An amount in nano-USD that is not known yet: what to expect, and between what it lies four times in five."""

    expected_nusd: int
    low_nusd: int
    high_nusd: int

    def shifted(self, *, at_least_nusd: int, of: "Estimate") -> "Estimate":
        """Return this sum, whose first step `of` is known to have come to `at_least_nusd` already."""
        return Estimate(
            expected_nusd=self.expected_nusd + max(0, at_least_nusd - of.expected_nusd),
            low_nusd=self.low_nusd + max(0, at_least_nusd - of.low_nusd),
            high_nusd=self.high_nusd + max(0, at_least_nusd - of.high_nusd),
        )


class PathStep(Struct, frozen=True, kw_only=True):
    """One step ahead."""

    begins: date
    """A day, the first day of a week, or for an hour the instant (UTC)."""
    spend: Estimate
    """In this step."""
    in_all: Estimate
    """In this step and those before it. Its interval is no sum of theirs: see docs/algorithms/forecasting.md."""


class CostPrediction(Struct, frozen=True, kw_only=True):
    """The forecast of one series. Where `reason` says why nothing can be said, the path is empty and the total None."""

    step: Step
    path: Sequence[PathStep]
    method: str
    """The method that counts most."""
    weights: Mapping[str, float]
    """How much each method counts, the largest first; they sum to 1."""
    wape: float | None
    """Back-tested error of totals: the sum of what they were off by, divided by the sum of what came. None where nothing came."""
    coverage: float | None
    """Share of the back-tested totals that lay within their 80 % interval. None where there were too few tests."""
    tests: int
    tested_steps: int
    """The horizon of the tests: shorter than the path where the series is young."""
    history_days: int
    """Since the first spend."""
    reason: str = ""

    @property
    def total(self) -> Estimate | None:
        """Over the whole path."""
        return self.path[-1].in_all if self.path else None

    @property
    def is_early(self) -> bool:
        """Is it an early estimate, made of less than two weeks?"""
        return self.history_days < EARLY_DAYS

    def in_all(self, *, so_far_nusd: int = 0) -> list[Estimate]:
        """Return the sums of the path up to each step, where `so_far_nusd` has been spent in the first step already."""
        return [step.in_all.shifted(at_least_nusd=so_far_nusd, of=self.path[0].in_all) for step in self.path]
