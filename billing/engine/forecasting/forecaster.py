"""CostForecaster: the forecast of a series, or of a block of many, over a number of steps."""

from datetime import timedelta

import numpy as np

from billing.engine.forecasting.block import LEAST_DAYS, Block, forecast_block
from billing.engine.forecasting.methods import METHODS
from billing.engine.forecasting.prediction import CostPrediction, Estimate, PathStep
from billing.engine.forecasting.series import Calendar, CostSeries
from billing.engine.forecasting.smoothing import Floats

A_DAY = timedelta(days=1)


class CostForecaster:
    """Forecasts spend over the next `horizon` steps: hours, days or weeks, whichever the series is made of."""

    def __init__(self, *, horizon: int) -> None:
        self.horizon = horizon

    def predict(self, series: CostSeries) -> CostPrediction:
        """Return the forecast of the steps after the last one of the series, which should be complete.

        Every forecast carries its back-tested error. Under three days of spend there is none, but a reason. Raises ValueError for a horizon
        below 1. Worked number: 56 days of 10 USD and weekends of 4 give 10, 10, 10, 10, 10, 4, 4 from a Monday on, 58 USD a week.
        """
        amounts = np.array([[np.nan if amount is None else amount for amount in series.amounts_nusd]], dtype=np.float64)
        return prediction_of(self.predict_block(amounts, calendar=series.calendar), 0)

    def predict_block(self, amounts: Floats, *, calendar: Calendar) -> Block:
        """Return the forecasts of n series at once: see forecast_block. `prediction_of` reads one of them."""
        return forecast_block(amounts, calendar=calendar, horizon=self.horizon)


def prediction_of(block: Block, row: int) -> CostPrediction:
    """Return the forecast of one series of a block."""
    step, age = block.ahead.step, int(block.age[row])
    reason = _reason(age, days=age * step.length // A_DAY) if age < step.of_days(LEAST_DAYS) else ""
    weights = sorted(zip(block.weights[row].tolist(), METHODS[step], strict=True), reverse=True)
    return CostPrediction(
        step=step, path=[] if reason else [_step(block, row, ahead) for ahead in range(block.path.shape[2])],
        method="" if reason else weights[0][1], weights={name: weight for weight, name in weights if weight > 0},
        wape=None if np.isnan(block.wape[row]) else block.wape[row].item(),
        coverage=None if np.isnan(block.coverage[row]) else block.coverage[row].item(),
        tests=int(block.tests[row]), tested_steps=int(block.tested_steps[row]), history_days=age * step.length // A_DAY, reason=reason,
    )  # fmt: skip


def _step(block: Block, row: int, ahead: int) -> PathStep:
    of_step, in_all = block.path[:, row, ahead].tolist(), block.sums[:, row, ahead].tolist()
    return PathStep(begins=block.ahead.begins(ahead), spend=_estimate(of_step), in_all=_estimate(in_all))


def _estimate(amounts: list[int]) -> Estimate:
    expected, low, high = amounts
    return Estimate(expected_nusd=expected, low_nusd=low, high_nusd=high)


def _reason(age: int, *, days: int) -> str:
    if not age:
        return "Nothing has been spent yet."
    known = "Less than a day" if not days else "1 day" if days == 1 else f"{days} days"
    return f"{known} of spend {'is' if days < 2 else 'are'} known; a forecast needs {LEAST_DAYS}."
