"""What a month will have cost when it is over."""

from datetime import date, timedelta

from billing.engine.forecasting.prediction import CostPrediction, Estimate
from billing.engine.forecasting.series import Step

A_DAY = timedelta(days=1)


def month_end(prediction: CostPrediction, *, spent_nusd: int, so_far_nusd: int = 0) -> Estimate | None:
    """Return what the month of the first day ahead will have cost at its end; None where the prediction has a reason to say nothing.

    `spent_nusd` is what the month cost before that day, `so_far_nusd` what the day itself has cost already. Raises ValueError for a prediction
    that is not of days, or that ends before the month does. Worked number: 310 USD spent up to the 20th of a month of 30 days, and ten days
    ahead of 12 to 18, expected 15 each: 460 USD expected, and closer together than from 430 to 490, since days do not all err alike.
    """
    if not prediction.path:
        return None
    first, last = prediction.path[0].begins, prediction.path[-1].begins
    end = next_month(first)
    if prediction.step is not Step.DAY or last + A_DAY < end:
        raise ValueError(f"the end of a month needs a path of days to its last one, not {len(prediction.path)} {prediction.step}s from {first} on")
    rest = prediction.in_all(so_far_nusd=so_far_nusd)[(end - first).days - 1]
    return Estimate(expected_nusd=spent_nusd + rest.expected_nusd, low_nusd=spent_nusd + rest.low_nusd, high_nusd=spent_nusd + rest.high_nusd)


def next_month(day: date) -> date:
    """Return the first day of the month after that of `day`."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
