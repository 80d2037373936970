"""What a few end users cost of late, from the day sums."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from msgspec import Struct

from billing.models import DayRollup
from billing.reports.series import days_between


class Recent(Struct, frozen=True, kw_only=True):
    """What one end user cost: `trend` day by day in nano-USD, and the last of the days on which anything was booked."""

    trend: Sequence[int]
    last_on: date | None

    @property
    def cost_nusd(self) -> int:
        return sum(self.trend)


def recent_of(*, end_users: Sequence[UUID], first: date, last: date) -> Mapping[UUID, Recent]:
    """Return what each of the end users cost on the days from `first` to `last`, both included, also of those who cost nothing.

    Looks each day of each of them up by its key: made for the rows of one page, however many others there are. Worked number: 2 on the
    first of three days and 5 on the second are a trend of 2, 5, 0, a cost of 7, and the second as the last day.
    """
    days = days_between(first, last)
    rows = DayRollup.objects.filter(day__in=days, dimension=DayRollup.Dimension.END_USER, value__in=[str(user) for user in end_users])
    costs: dict[str, dict[date, int]] = {}
    for value, day, cost in rows.values_list("value", "day", "cost_nusd"):
        costs.setdefault(value, {})[day] = cost
    found = {user: costs.get(str(user), {}) for user in end_users}
    return {user: Recent(trend=[own.get(day, 0) for day in days], last_on=max(own, default=None)) for user, own in found.items()}
