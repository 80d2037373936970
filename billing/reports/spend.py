"""What was spent, from the day sums: all of it, by day, by one dimension, by end user."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet, Sum
from msgspec import Struct

from billing.models import DayRollup

Dimension = DayRollup.Dimension


class Spend(Struct, frozen=True, kw_only=True):
    """What was booked under one name: cost in nano-USD, how many entries, how many tokens."""

    name: str
    cost_nusd: int
    entries: int
    input_tokens: int
    output_tokens: int


def today_of(*, time_zone: str, now: datetime) -> date:
    """Return the tenant's own date at `now`."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def spend_between(*, first: date, last: date) -> Spend:
    """Return what was booked on the days from `first` to `last`, both included. Days are the tenant's own."""
    found = spend_by(dimension=Dimension.ALL, first=first, last=last, limit=1)
    return found[0] if found else Spend(name="", cost_nusd=0, entries=0, input_tokens=0, output_tokens=0)


def spend_by_day(*, first: date, last: date) -> Sequence[tuple[date, int]]:
    """Return the cost of every day from `first` to `last`, days without a call as 0."""
    costs = dict(_days(first, last).filter(dimension=Dimension.ALL).values_list("day", "cost_nusd"))
    return [(day, costs.get(day, 0)) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))]


def spent_days(*, since: date) -> Mapping[date, int]:
    """Return the cost of each day from `since` on on which anything was booked."""
    rows = DayRollup.objects.filter(day__gte=since, dimension=Dimension.ALL).order_by("day")
    return dict(rows.values_list("day", "cost_nusd"))


def spend_by(*, dimension: str, first: date, last: date, limit: int = 100, values: Sequence[str] | None = None) -> Sequence[Spend]:
    """Return the spend by one dimension (see DayRollup.Dimension), dearest first, at most `limit` names; of some `values` alone where given."""
    days = _days(first, last).filter(dimension=dimension)
    rows = (
        (days if values is None else days.filter(value__in=values))
        .values("value")
        .annotate(cost=Sum("cost_nusd"), calls=Sum("entries"), tokens_in=Sum("input_tokens"), tokens_out=Sum("output_tokens"))
        .order_by("-cost", "value")[:limit]
    )
    return [
        Spend(
            name=row["value"], cost_nusd=int(row["cost"]), entries=int(row["calls"]), input_tokens=int(row["tokens_in"]),
            output_tokens=int(row["tokens_out"]),
        )
        for row in rows
    ]


def spend_of_end_user(*, end_user: object, first: date, last: date) -> int:
    """Return what was booked for an end user (our id) on the days from `first` to `last`, both included, in nano-USD."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = DayRollup.objects.filter(day__in=days, dimension=Dimension.END_USER, value=str(end_user))
    return int(rows.aggregate(cost=Sum("cost_nusd"))["cost"] or 0)


def _days(first: date, last: date) -> QuerySet[DayRollup]:
    return DayRollup.objects.filter(day__gte=first, day__lte=last)
