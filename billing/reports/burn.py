"""How one budget's running window was spent, day by day or hour by hour, and who spends it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from django.db.models import Sum
from msgspec import Struct

from billing.engine.budgets import ALWAYS, BudgetScope, Period, window_bounds
from billing.models import Budget, BudgetWindow, DayRollup, QuarterRollup
from billing.reports.names import names_of
from billing.reports.series import Standing, days_between, standings_by
from tenants.end_users import end_user_id
from tenants.models import Tenant

LONGEST_CURVE = timedelta(days=92)
"""Of a budget over all time the curve shows its last days."""
HOURS = timedelta(hours=1)
QUARTER_DIMENSIONS = frozenset(QuarterRollup.Dimension.values)


class Burn(Struct, frozen=True, kw_only=True):
    """The spend of a window, added up: `spent_nusd[n]` is what was spent up to the end of `points[n]`. Times are the tenant's own.

    `subject` is the end user whose window it is, of a budget that each end user has for themselves.
    """

    start_at: datetime
    end_at: datetime
    limit_nusd: int
    points: Sequence[date | datetime]
    spent_nusd: Sequence[int]
    subject: str = ""


def burn_of(*, budget: Budget, tenant: Tenant, limit_nusd: int, now: datetime) -> Burn | None:
    """Return the curve of the budget's running window; of the fullest one, where each end user has their own.

    Daily budgets are told by the hour, all others by the day. Returns None where nothing was spent yet, or no sums are kept of the hours
    of such a budget (daily budgets of tags). Worked number: days of 3, 0 and 4 make 3, 3, 7.
    """
    window = BudgetWindow.objects.filter(budget=budget, start_at__lte=now, end_at__gt=now).order_by("-spent_nusd").first()
    start_at, end_at = (window.start_at, window.end_at) if window else window_bounds(period=Period(budget.period), zone=tenant.time_zone, instant=now)
    subject = window.subject if window else ""
    dimension, value = where_summed(budget, tenant=tenant, subject=subject)
    zone = ZoneInfo(tenant.time_zone)
    points: Sequence[date | datetime]
    if (start_at, end_at) == ALWAYS:
        start_at = max(budget.created_at, now - LONGEST_CURVE)
    if budget.period == Period.DAILY:
        points, amounts = _hours(dimension, value, start_at=start_at, now=now, zone=zone)
    else:
        points, amounts = _days(dimension, value, first=start_at.astimezone(zone).date(), last=now.astimezone(zone).date())
    if not any(amounts):
        return None
    return Burn(start_at=start_at, end_at=end_at, limit_nusd=limit_nusd, points=points, spent_nusd=list(accumulate(amounts)), subject=subject)


def where_summed(budget: Budget, *, tenant: Tenant, subject: str = "") -> tuple[str, str]:
    """Return the dimension and the value under which the day sums have what counts against the budget, or against one window of it."""
    if subject:
        return "end_user", subject
    if budget.scope == BudgetScope.TENANT:
        return "all", ""
    if budget.scope == BudgetScope.END_USER and budget.subject:
        return "end_user", str(end_user_id(salt=bytes(tenant.end_user_salt), external_id=budget.subject))
    return budget.scope, budget.subject


def spenders_of(*, budget: Budget, tenant: Tenant, now: datetime, limit: int = 5) -> Sequence[Standing]:
    """Return who spends a budget in its running window: the fullest windows of one that each end user has, the dearest end users of the tenant's.

    Other budgets have one subject, or none whose parts are summed: for them there is nobody to name.
    """
    start_at, _ = window_bounds(period=Period(budget.period), zone=tenant.time_zone, instant=now)
    last = now.astimezone(ZoneInfo(tenant.time_zone)).date()
    if budget.scope == BudgetScope.TENANT:
        first = last - LONGEST_CURVE if start_at == ALWAYS[0] else start_at.astimezone(ZoneInfo(tenant.time_zone)).date()
        return standings_by(dimension="end_user", first=first, last=last, before=None, limit=limit)
    if budget.scope == BudgetScope.TIER or not budget.subject:
        running = BudgetWindow.objects.filter(budget=budget, start_at__lte=now, end_at__gt=now).exclude(subject="").order_by("-spent_nusd")[:limit]
        windows = list(running)
        names = names_of(dimension="end_user", values=(window.subject for window in windows))
        return [
            Standing(
                value=window.subject, label=names[window.subject], cost_nusd=window.spent_nusd, entries=0, input_tokens=0, output_tokens=0,
                previous_nusd=0,
            )
            for window in windows
        ]
    return []


def _days(dimension: str, value: str, *, first: date, last: date) -> tuple[Sequence[date], Sequence[int]]:
    rows = DayRollup.objects.filter(day__gte=first, day__lte=last, dimension=dimension, value=value)
    costs: Mapping[date, int] = dict(rows.values_list("day", "cost_nusd"))
    days = days_between(first, last)
    return days, [max(0, costs.get(day, 0)) for day in days]


def _hours(dimension: str, value: str, *, start_at: datetime, now: datetime, zone: ZoneInfo) -> tuple[Sequence[datetime], Sequence[int]]:
    if dimension not in QUARTER_DIMENSIONS:
        return (), ()
    rows = QuarterRollup.objects.filter(dimension=dimension, value=value, start_at__gte=start_at, start_at__lte=now)
    points = [start_at + number * HOURS for number in range(int((now - start_at) / HOURS) + 1)]
    amounts = [0] * len(points)
    for quarter, cost in rows.values("start_at").annotate(cost=Sum("cost_nusd")).values_list("start_at", "cost"):
        amounts[min(int((quarter - start_at) / HOURS), len(points) - 1)] += int(cost)
    return [point.astimezone(zone) for point in points], amounts
