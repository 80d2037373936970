"""Looking ahead for one name, or for a budget: forecast at the moment somebody asks, from the sums of the days and of the hours."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct, structs

from billing.engine.budgets import ALWAYS, Action, Period
from billing.engine.forecasting.exhaustion import Exhaustion, exhaustion
from billing.engine.forecasting.forecaster import CostForecaster, prediction_of
from billing.engine.forecasting.month_end import month_end
from billing.engine.forecasting.prediction import CostPrediction, Estimate
from billing.engine.forecasting.series import Calendar, Step
from billing.forecasts import HISTORY_DAYS, HISTORY_DAYS_OF_END_USERS, HORIZON_DAYS, past_of
from billing.models import Budget, BudgetWindow, DayRollup
from billing.quarters import KEPT
from billing.series import Floats, Name, bucketed_spend, bucketed_spend_of, daily_spend, daily_spend_of

Dimension = DayRollup.Dimension
MOST_STEPS = {Step.HOUR: 14 * 24, Step.DAY: 92, Step.WEEK: 26}
MOST_WINDOWS = 500
NEAR_HOURS = 48
"""A budget of days that will have run out within so many hours is asked for the hour, where it stops calls."""
HOUR, DAY, WEEK = Step.HOUR.length, Step.DAY.length, Step.WEEK.length


class MonthEnd(Struct, frozen=True, kw_only=True):
    """What the running month has cost, and what it will have cost at its end. Nano-USD."""

    month: date
    spent_nusd: int
    estimate: Estimate | None
    prediction: CostPrediction


class BudgetOutlook(Struct, frozen=True, kw_only=True):
    """How a budget's running window will probably end. Nano-USD."""

    budget: Budget
    subject: str
    """Id of the end user whose window it is, or empty."""
    start_at: datetime
    end_at: datetime
    limit_nusd: int
    spent_nusd: int
    at_end: Estimate | None
    """What will have been spent when the window ends; None where nothing can be said, and for a budget over all time."""
    runs_out: Exhaustion | None
    prediction: CostPrediction
    sums: Sequence[Estimate] = ()
    """What will have been spent at the end of each step of the prediction's path, up to the window's end; none of a budget over all time."""

    out_at: datetime | None = None
    """The hour in which it runs out, of a budget of days that stops calls and does so within NEAR_HOURS."""

    @property
    def is_over(self) -> bool:
        """Is more expected to be spent than the limit?"""
        return self.at_end is not None and self.at_end.expected_nusd > self.limit_nusd


def predict(*, dimension: str, value: str, step: Step, horizon: int, zone: str, now: datetime) -> CostPrediction:
    """Return the forecast of what one name of the scope's tenant will cost in the steps from the running one on.

    The running hour, day or week (from Monday) is the first step of the path: what it has cost so far is not looked at. Raises ValueError
    for a horizon below 1 or beyond MOST_STEPS.
    """
    if not 1 <= horizon <= MOST_STEPS[step]:
        raise ValueError(f"a forecast goes over 1 to {MOST_STEPS[step]} {step}s, not {horizon}")
    amounts, calendar = _past(dimension=dimension, value=value, step=step, zone=zone, now=now)
    return prediction_of(CostForecaster(horizon=horizon).predict_block(amounts, calendar=calendar), 0)


def month_end_of(*, dimension: str, value: str, zone: str, now: datetime) -> MonthEnd:
    """Return what the tenant's running month will have cost at its end, for one name of a dimension."""
    today = now.astimezone(ZoneInfo(zone)).date()
    first = today.replace(day=1)
    prediction = predict(dimension=dimension, value=value, step=Step.DAY, horizon=HORIZON_DAYS, zone=zone, now=now)
    days = daily_spend(dimension=dimension, first=first, last=today, values=[value]).amounts[0]
    return _month_end(prediction, first, before=int(days[:-1].sum()), so_far=int(days[-1]))


def month_end_in(days: Mapping[date, int], *, zone: str, now: datetime) -> MonthEnd:
    """Return what month_end_of says of the whole tenant, from its days that somebody has read already: back to HISTORY_DAYS or further."""
    today = now.astimezone(ZoneInfo(zone)).date()
    first = today.replace(day=1)
    begins = max(min(days, default=today), today - timedelta(days=HISTORY_DAYS))
    past = np.array([[days.get(begins + timedelta(days=number), 0) for number in range(max(0, (today - begins).days))]], dtype=np.float64)
    calendar = Calendar(step=Step.DAY, start=min(begins, today))
    prediction = prediction_of(CostForecaster(horizon=HORIZON_DAYS).predict_block(past, calendar=calendar), 0)
    before = sum(cost for day, cost in days.items() if first <= day < today)
    return _month_end(prediction, first, before=before, so_far=days.get(today, 0))


def _month_end(prediction: CostPrediction, month: date, *, before: int, so_far: int) -> MonthEnd:
    estimate = month_end(prediction, spent_nusd=before, so_far_nusd=so_far)
    return MonthEnd(month=month, spent_nusd=before + so_far, estimate=estimate, prediction=prediction)


def budget_outlooks(*, zone: str, now: datetime) -> Sequence[BudgetOutlook]:
    """Return how the running windows of all budgets that are not each end user's own will probably end, those that run out first first."""
    rows = BudgetWindow.objects.filter(subject="", budget__ended_at=None, budget__is_paused=False, start_at__lte=now, end_at__gt=now)
    found = outlooks_of(list(rows.select_related("budget")[:MOST_WINDOWS]), zone=zone, now=now)
    return sorted(found, key=lambda outlook: (outlook.runs_out is None or outlook.runs_out.expected is None, -_share(outlook)))


def outlooks_of(windows: Sequence[BudgetWindow], *, zone: str, now: datetime) -> Sequence[BudgetOutlook]:
    """Return how running windows, with their budgets read along, will probably end, in their order: from the hours for a budget of a day, else
    from the days. Those of days that stop calls soon are asked from the hours, too. Few looks at the sums, however many windows.

    Worked number: 60 of 100 USD spent and 10 a day expected, 8 to 13: it runs out on the fourth day ahead, 80 %: the fourth to the fifth.
    """
    found = _looked_ahead(windows, steps=[_step_of(window) for window in windows], zone=zone, now=now)
    near = [number for number, outlook in enumerate(found) if _stops_soon(outlook, zone=zone, now=now)]
    by_hour = _looked_ahead([windows[number] for number in near], steps=[Step.HOUR] * len(near), zone=zone, now=now)
    for number, outlook in zip(near, by_hour, strict=True):
        at = outlook.runs_out.expected if outlook.runs_out else None
        found[number] = structs.replace(found[number], out_at=at if isinstance(at, datetime) else None)
    return found


def _looked_ahead(windows: Sequence[BudgetWindow], *, steps: Sequence[Step], zone: str, now: datetime) -> list[BudgetOutlook]:
    asked = [_question(window, step=step, zone=zone, now=now) for window, step in zip(windows, steps, strict=True)]
    seen = {
        **_foreseen([question for question in asked if question.step is Step.HOUR], step=Step.HOUR, zone=zone, now=now),
        **_foreseen([question for question in asked if question.step is Step.DAY], step=Step.DAY, zone=zone, now=now),
    }
    return [_outlook(window, *seen[question], zone=zone, now=now) for window, question in zip(windows, asked, strict=True)]


def _stops_soon(outlook: BudgetOutlook, *, zone: str, now: datetime) -> bool:
    out_on = outlook.runs_out.expected if outlook.runs_out else None
    if out_on is None or isinstance(out_on, datetime) or out_on > (now + NEAR_HOURS * HOUR).astimezone(ZoneInfo(zone)).date():
        return False
    return outlook.budget.action != Action.WARN and outlook.spent_nusd < outlook.limit_nusd


class _Question(NamedTuple):
    """A name, and how far ahead it is looked. What is asked alike is answered once."""

    step: Step
    name: Name
    horizon: int


def _step_of(window: BudgetWindow) -> Step:
    return Step.HOUR if window.budget.period == Period.DAILY else Step.DAY


def _question(window: BudgetWindow, *, step: Step, zone: str, now: datetime) -> _Question:
    end = _end_of(window.budget, window=window, step=step, zone=zone)
    horizon = MOST_STEPS[step] if end is None else _steps_until(end, zone=zone, now=now)
    if step is not _step_of(window):
        horizon = min(horizon, NEAR_HOURS)
    return _Question(step, series_of(window.budget, subject=window.subject), horizon)


def _foreseen(
    asked: Sequence[_Question], *, step: Step, zone: str, now: datetime
) -> Mapping[_Question, tuple[CostPrediction, int]]:
    """Return the forecast for each question, and what its running step has cost. Those that look equally far ahead are forecast together."""
    questions = list(dict.fromkeys(asked))
    if not questions:
        return {}
    names = list(dict.fromkeys(question.name for question in questions))
    amounts, calendar = _pasts(names, step=step, zone=zone, now=now)
    rows = {name: row for row, name in enumerate(names)}
    found: dict[_Question, tuple[CostPrediction, int]] = {}
    alike: dict[tuple[int, int], list[_Question]] = {}
    for question in questions:
        alike.setdefault((question.horizon, _kept(question.name[0], amounts.shape[1] - 1, step=step)), []).append(question)
    for (horizon, kept), some in alike.items():
        past = amounts[[rows[question.name] for question in some], :-1][:, amounts.shape[1] - 1 - kept :]
        block = CostForecaster(horizon=horizon).predict_block(past, calendar=calendar.starting_with(amounts.shape[1] - 1 - kept))
        for number, question in enumerate(some):
            found[question] = (prediction_of(block, number), int(amounts[rows[question.name], -1]))
    return found


def _pasts(names: Sequence[Name], *, step: Step, zone: str, now: datetime) -> tuple[Floats, Calendar]:
    """Return (n, T): what each name cost in each step up to the running one, which is the last; and the calendar of the first."""
    if step is Step.HOUR:
        first_at = hour_of(now) - KEPT
        hours = bucketed_spend_of(names, first_at=first_at, buckets=KEPT // HOUR + 1, length=HOUR)
        return hours, Calendar(step=step, start=first_at, zone=zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    past = past_of(dimension=Dimension.ALL, today=today)
    first = past.first if past else today
    return daily_spend_of(names, first=first, last=today), Calendar(step=step, start=first)


def _kept(dimension: str, known: int, *, step: Step) -> int:
    """So many steps of the past are looked at, as past_of has it for days."""
    return min(known, HISTORY_DAYS_OF_END_USERS) if step is Step.DAY and dimension == Dimension.END_USER else known


def _outlook(window: BudgetWindow, prediction: CostPrediction, running: int, *, zone: str, now: datetime) -> BudgetOutlook:
    budget = window.budget
    end = _end_of(budget, window=window, step=prediction.step, zone=zone)
    so_far = min(window.spent_nusd, running)
    before, limit = window.spent_nusd - so_far, limit_of(budget, now=now)
    sums = [_more(each, by=before) for each in prediction.in_all(so_far_nusd=so_far)] if end is not None else []
    return BudgetOutlook(
        budget=budget, subject=window.subject, start_at=window.start_at, end_at=window.end_at, limit_nusd=limit, spent_nusd=window.spent_nusd,
        at_end=sums[-1] if sums else None, prediction=prediction, sums=sums,
        runs_out=exhaustion(prediction, spent_nusd=before, limit_nusd=limit, until=end, so_far_nusd=so_far),
    )  # fmt: skip


def series_of(budget: Budget, *, subject: str) -> tuple[str, str]:
    """Return the dimension and the value under which the spend of a budget's window is summed."""
    if subject:
        return Dimension.END_USER, subject
    return (Dimension.ALL, "") if budget.scope == "tenant" else (budget.scope, budget.subject)


def limit_of(budget: Budget, *, now: datetime) -> int:
    """Return the limit that is in force at `now`, an override included. Nano-USD."""
    overridden = budget.override_limit_nusd is not None and budget.override_until is not None and now < budget.override_until
    return budget.override_limit_nusd if overridden and budget.override_limit_nusd is not None else budget.limit_nusd


def _past(*, dimension: str, value: str, step: Step, zone: str, now: datetime) -> tuple[Floats, Calendar]:
    """Return one series (1, T) up to the running step, and its calendar. Without any past there are no steps."""
    today = now.astimezone(ZoneInfo(zone)).date()
    if step is Step.HOUR:
        until = hour_of(now)
        first_at = until - KEPT
        hours = bucketed_spend(dimension=dimension, first_at=first_at, buckets=KEPT // HOUR, length=HOUR, values=[value])
        return hours.amounts, Calendar(step=step, start=first_at, zone=zone)
    past = past_of(dimension=dimension, today=today)
    if past is None:
        return np.zeros((1, 0)), Calendar(step=step, start=today if step is Step.DAY else _monday(today))
    if step is Step.DAY:
        return daily_spend(dimension=dimension, first=past.first, last=past.last, values=[value]).amounts, past.calendar
    first, until_day = _monday(past.first), _monday(today)
    days = daily_spend(dimension=dimension, first=first, last=until_day - DAY, values=[value]).amounts
    return days.reshape(1, -1, 7).sum(axis=2), Calendar(step=step, start=first)


def _end_of(budget: Budget, *, window: BudgetWindow, step: Step, zone: str) -> date | None:
    """Return the first step that is the window's no more: an instant for hours, a date of the tenant's for days; None for ever."""
    if budget.period == Period.TOTAL or window.end_at >= ALWAYS[1]:
        return None
    return window.end_at if step is Step.HOUR else window.end_at.astimezone(ZoneInfo(zone)).date()


def _steps_until(end: date, *, zone: str, now: datetime) -> int:
    if isinstance(end, datetime):
        return max(1, int(-((hour_of(now) - end) // HOUR)))
    return max(1, (end - now.astimezone(ZoneInfo(zone)).date()).days)


def hour_of(at: datetime) -> datetime:
    """Return the start of the hour of UTC in which `at` lies."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _more(estimate: Estimate, *, by: int) -> Estimate:
    return Estimate(expected_nusd=estimate.expected_nusd + by, low_nusd=estimate.low_nusd + by, high_nusd=estimate.high_nusd + by)


def _share(outlook: BudgetOutlook) -> float:
    return outlook.spent_nusd / outlook.limit_nusd if outlook.limit_nusd else 1.0
