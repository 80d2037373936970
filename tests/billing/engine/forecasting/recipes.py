"""Series as tenants have them, made by rule and by chance with a fixed seed. Nano-USD."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from billing.engine.forecasting.forecaster import CostForecaster
from billing.engine.forecasting.prediction import CostPrediction, Estimate, PathStep
from billing.engine.forecasting.series import Calendar, CostSeries, Step

USD = 10**9
MONDAY = date(2026, 9, 7)
WEEK = (10, 10, 10, 10, 10, 4, 4)
DAYS = Calendar(step=Step.DAY, start=MONDAY)


def noisy(expected: Sequence[float], *, seed: int = 0, noise: float = 0.1) -> list[int]:
    """Return amounts around what is expected (USD)."""
    chance = np.random.default_rng(seed)
    return [round(USD * amount * factor) for amount, factor in zip(expected, chance.lognormal(0, noise, len(expected)).tolist(), strict=True)]


def many(*, rows: int, days: int, seed: int = 0) -> NDArray[np.float64]:
    """Return series of like size with weekdays and noise."""
    return np.array([noisy(np.resize(WEEK, days).tolist(), seed=seed * rows + row, noise=0.3) for row in range(rows)], dtype=np.float64)


def predict(amounts: Sequence[int | None], *, horizon: int = 7, start: date = MONDAY) -> CostPrediction:
    return CostForecaster(horizon=horizon).predict(CostSeries(calendar=Calendar(step=Step.DAY, start=start), amounts_nusd=amounts))


def spends(prediction: CostPrediction) -> list[float]:
    """Return the expected path in USD."""
    return [step.spend.expected_nusd / USD for step in prediction.path]


def total(prediction: CostPrediction) -> Estimate:
    assert prediction.total is not None
    return prediction.total


def foretold(steps: Sequence[tuple[date, int, int, int]], *, step: Step = Step.DAY) -> CostPrediction:
    """Return a prediction of so many USD (expected, low, high) in each step; the bounds of the sums are the sums of the bounds."""
    path, sums = [], np.zeros(3, dtype=np.int64)
    for begins, *amounts in steps:
        sums = sums + np.array(amounts, dtype=np.int64) * USD
        path.append(PathStep(begins=begins, spend=_estimate([amount * USD for amount in amounts]), in_all=_estimate(sums.tolist())))
    return CostPrediction(
        step=step, path=path, method="slow smoothing", weights={"slow smoothing": 1.0}, wape=0.1, coverage=0.8, tests=24, tested_steps=7,
        history_days=60,
    )  # fmt: skip


def _estimate(amounts: Sequence[int]) -> Estimate:
    expected, low, high = amounts
    return Estimate(expected_nusd=expected, low_nusd=low, high_nusd=high)
