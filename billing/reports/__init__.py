"""Every number that a person sees: the one reader of money. All functions answer for the tenant of the scope, amounts in nano-USD."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, Max, Q, QuerySet, Sum
from msgspec import Struct

from billing.engine.tracking import WindowSum
from billing.models import Budget, BudgetWindow, CostEntry, DayRollup, Reservation
from billing.standing import STANDING, standing_batch
from tenants.end_users import end_user_id
from tenants.models import EndUser, Tenant
from tenants.scoping import current_tenant_id

Dimension = DayRollup.Dimension
WINDOWS_READ = 2000


class Spend(Struct, frozen=True, kw_only=True):
    """What was booked under one name: cost in nano-USD, how many entries, how many tokens."""

    name: str
    cost_nusd: int
    entries: int
    input_tokens: int
    output_tokens: int


class BudgetStanding(Struct, frozen=True, kw_only=True):
    """How a budget's running window stands. For budgets that each end user has, the fullest window."""

    budget: Budget
    limit_nusd: int
    spent_nusd: int
    held_nusd: int
    windows: int
    end_at: datetime | None

    @property
    def used_percent(self) -> int:
        return 100 * (self.spent_nusd + self.held_nusd) // self.limit_nusd if self.limit_nusd else 100


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


def spend_by(*, dimension: str, first: date, last: date, limit: int = 100) -> Sequence[Spend]:
    """Return the spend by one dimension (see DayRollup.Dimension), dearest first, at most `limit` names."""
    rows = (
        _days(first, last)
        .filter(dimension=dimension)
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


def budget_standings(*, now: datetime) -> Sequence[BudgetStanding]:
    """Return every budget in force with its running window, fullest first."""
    budgets = {budget.id: budget for budget in Budget.objects.filter(ended_at__isnull=True)}
    running = BudgetWindow.objects.filter(budget__in=budgets, start_at__lte=now, end_at__gt=now)
    windows: dict[object, list[BudgetWindow]] = {}
    for window in running.order_by("-spent_nusd")[:WINDOWS_READ]:
        windows.setdefault(window.budget_id, []).append(window)
    standings = [_standing(budget, windows.get(budget.id, [])) for budget in budgets.values()]
    return sorted(standings, key=lambda standing: -standing.used_percent)


class LedgerSpend:
    """The ledger's windows of an end user of the scope's tenant: a SpendSource for CostTracker. Opens no window and creates nobody.

    `tier` is the one that a call would say; without it the end user's own counts, else the tenant's default, as for calls.
    """

    def __init__(self, *, tier: str | None = None, api_key: str | None = None, tags: Sequence[str] = ()) -> None:
        self._tier, self._api_key, self._tags = tier, api_key, tags

    def windows_of(self, user_id: str, *, now: datetime) -> Sequence[WindowSum]:
        """Return each window that would bind a call of the user at `now`. An empty user_id is a call that names nobody."""
        tenant = Tenant.objects.get(pk=current_tenant_id())
        identity = end_user_id(salt=bytes(tenant.end_user_salt), external_id=user_id) if user_id else None
        known = EndUser.objects.filter(pk=identity).select_related("tier").first() if identity else None
        own = known.tier.name if known and known.tier else None
        batch = standing_batch(
            tenant_id=tenant.pk, zone=tenant.time_zone, end_user_id=identity, end_user_name=user_id, api_key=self._api_key,
            tier=self._tier or own or tenant.default_tier, tags=self._tags,
        )
        with connection.cursor() as cursor:
            cursor.execute(STANDING, [batch, now])
            names = [column.name for column in cursor.description or ()]
            return [WindowSum(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def spend_of_end_user(*, end_user: object, first: date, last: date) -> int:
    """Return what was booked for an end user (our id) on the days from `first` to `last`, both included, in nano-USD."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = DayRollup.objects.filter(day__in=days, dimension=Dimension.END_USER, value=str(end_user))
    return int(rows.aggregate(cost=Sum("cost_nusd"))["cost"] or 0)


class ProviderCalls(Struct, frozen=True, kw_only=True):
    """How the calls to one provider connection went, counted from what was booked: by every process, and after each restart."""

    calls: int
    answered: int
    unbilled: int
    """Failed, and known to cost nothing: not reached, refused, or failed with a word of the provider's."""
    uncertain: int
    """Failed after it was sent: a deadline, a broken answer. The provider may have billed it."""
    last_answered_at: datetime | None
    last_failed_at: datetime | None


def calls_of_provider(*, provider: str, since: datetime) -> ProviderCalls:
    """Return how the calls to a connection of the scope's tenant went since then. Each try of a run is a call.

    What was never sent because a run ended first, and what the sweep closed because a process of ours died, is no word of the provider's.
    """
    rows = _tries(since).filter(provider=provider)
    answered, failed = Q(kind__in=("settled", "estimated")), Q(kind__in=("voided", "assumed"))
    return ProviderCalls(
        **rows.aggregate(
            calls=Count("id", filter=answered | failed), answered=Count("id", filter=answered), unbilled=Count("id", filter=Q(kind="voided")),
            uncertain=Count("id", filter=Q(kind="assumed")), last_answered_at=Max("booked_at", filter=answered),
            last_failed_at=Max("booked_at", filter=failed),
        )
    )


def failing_providers(*, since: datetime, least: int) -> Sequence[str]:
    """Return the connections of the scope's tenant of which at least so many calls have failed since then: those that deserve a closer look."""
    failed = _tries(since).filter(kind__in=("voided", "assumed")).values("provider").annotate(failed=Count("id"))
    return [row["provider"] for row in failed.order_by("provider") if row["failed"] >= least]


def _tries(since: datetime) -> QuerySet[CostEntry]:
    return CostEntry.objects.filter(booked_at__gte=since, reference="").exclude(outcome__in=("not sent", "unknown"))


def open_holds() -> tuple[int, int]:
    """Return how many calls in flight hold money, and how much."""
    sums = Reservation.objects.filter(state="open").values_list("amount_nusd", flat=True)
    return len(sums), sum(sums)


def open_holds_by_tenant() -> Sequence[tuple[str, int, int]]:
    """Return how many calls in flight hold money, and how much, by the tenant's slug, most calls first. For the platform's own eyes."""
    rows = Reservation.objects.filter(state="open").values("tenant__slug").annotate(holds=Count("id"), held=Sum("amount_nusd"))
    return [(row["tenant__slug"], int(row["holds"]), int(row["held"])) for row in rows.order_by("-holds", "tenant__slug")]


def _days(first: date, last: date) -> QuerySet[DayRollup]:
    return DayRollup.objects.filter(day__gte=first, day__lte=last)


def _standing(budget: Budget, windows: Sequence[BudgetWindow]) -> BudgetStanding:
    fullest = max(windows, key=lambda window: window.spent_nusd + window.held_nusd, default=None)
    return BudgetStanding(
        budget=budget, limit_nusd=budget.limit_nusd, spent_nusd=fullest.spent_nusd if fullest else 0, held_nusd=fullest.held_nusd if fullest else 0,
        windows=len(windows), end_at=fullest.end_at if fullest else None,
    )
