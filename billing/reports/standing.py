"""How budgets stand: their running windows, and what calls in flight hold."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, Case, Count, Exists, F, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest
from msgspec import Struct

from billing.engine.tracking import WindowSum
from billing.models import Budget, BudgetWindow, Reservation
from billing.reports.attention import foreseeing
from billing.standing import STANDING, standing_batch
from tenants.end_users import end_user_id
from tenants.models import EndUser, Tenant
from tenants.scoping import current_tenant_id

WINDOWS_READ = 2000


class BudgetStanding(Struct, frozen=True, kw_only=True):
    """How a budget's running window stands. For budgets that each end user has, the fullest window."""

    budget: Budget
    limit_nusd: int
    spent_nusd: int
    held_nusd: int
    windows: int
    end_at: datetime | None
    start_at: datetime | None = None
    subject: str = ""
    """Whose window it is, of a budget that each end user has: the end user's id."""

    @property
    def used_percent(self) -> int:
        return 100 * (self.spent_nusd + self.held_nusd) // self.limit_nusd if self.limit_nusd else 100


def budget_standings(*, now: datetime) -> Sequence[BudgetStanding]:
    """Return every budget in force with its running window, fullest first."""
    budgets = {budget.id: budget for budget in Budget.objects.filter(ended_at__isnull=True)}
    running = BudgetWindow.objects.filter(budget__in=budgets, start_at__lte=now, end_at__gt=now)
    windows: dict[object, list[BudgetWindow]] = {}
    for window in running.order_by("-spent_nusd")[:WINDOWS_READ]:
        windows.setdefault(window.budget_id, []).append(window)
    standings = [_standing(budget, windows.get(budget.id, [])) for budget in budgets.values()]
    return sorted(standings, key=lambda standing: -standing.used_percent)


def budgets_by_risk(*, now: datetime) -> QuerySet[Any]:
    """Return the budgets in force with `used_permille` (of the running window that is fullest), `fullest_window_id`, `will_not_last` (an open alert
    foresees that it goes over) and `risk`, for lists.

    Order them by `-risk`: over first, then those that will not last, then all others, each by the share that is used. Paused ones come last:
    they limit nothing. Worked number: 40 spent and 35 held of 100 are 750 per mille, a risk of 750,000, and of 999,750 where it will not
    last; 110 of 100 are 1,100,000.
    """
    running = BudgetWindow.objects.filter(budget=OuterRef("pk"), start_at__lte=now, end_at__gt=now)
    fullest = running.annotate(used=F("spent_nusd") + F("held_nusd")).order_by("-used", "id")
    limit = Case(When(override_until__gt=now, then=F("override_limit_nusd")), default=F("limit_nusd"), output_field=BigIntegerField())
    per_mille = Coalesce(Subquery(fullest.values("used")[:1]), Value(0), output_field=BigIntegerField()) / Greatest(F("limit_now_nusd") / 1000, 1)
    will_not_last = Exists(foreseeing(now=now).filter(budget=OuterRef("pk"), foreseen_limit=OuterRef("limit_now_nusd")))
    used = F("used_permille")
    return Budget.objects.filter(ended_at__isnull=True).annotate(
        limit_now_nusd=limit, fullest_window_id=Subquery(fullest.values("id")[:1]), will_not_last=will_not_last,
        used_permille=Case(When(is_paused=True, then=Value(-1)), default=per_mille, output_field=BigIntegerField()),
        risk=Case(  # one field, so that a page by key looks at each window once; below 1,000,000 no share reaches those that will not last
            When(is_paused=True, then=Value(-1)), When(will_not_last, then=Greatest(used * 1000, used + 999_000)), default=used * 1000,
            output_field=BigIntegerField(),
        ),
    )  # fmt: skip


def with_standing(budgets: Iterable[Budget]) -> Sequence[BudgetStanding]:
    """Return how budgets of budgets_by_risk() stand, in their order."""
    rows: list[Any] = list(budgets)
    windows = BudgetWindow.objects.in_bulk([row.fullest_window_id for row in rows if row.fullest_window_id])
    found: list[BudgetStanding] = []
    for row in rows:
        window = windows.get(row.fullest_window_id)
        found.append(
            BudgetStanding(
                budget=row, limit_nusd=row.limit_now_nusd, spent_nusd=window.spent_nusd if window else 0, held_nusd=window.held_nusd if window else 0,
                windows=1 if window else 0, start_at=window.start_at if window else None, end_at=window.end_at if window else None,
                subject=window.subject if window else "",
            )
        )
    return found


class TouchedBudget(Struct, frozen=True, kw_only=True):
    """A budget window that a run was held in, and how the run stands in it. Nano-USD."""

    budget: Budget
    subject: str
    start_at: datetime
    end_at: datetime
    limit_nusd: int
    spent_nusd: int
    held_for_run_nusd: int
    spent_by_run_nusd: int


def touched_by(*, run_id: UUID) -> Sequence[TouchedBudget]:
    """Return the budget windows that a run was held in: what it held at most, what it came to, and how each window stands now."""
    hold = Reservation.objects.filter(pk=run_id).first()
    if hold is None:
        return []
    windows = BudgetWindow.objects.filter(pk__in=hold.window_ids).select_related("budget").order_by("end_at", "id")
    return [
        TouchedBudget(
            budget=window.budget, subject=window.subject, start_at=window.start_at, end_at=window.end_at, limit_nusd=window.limit_nusd,
            spent_nusd=window.spent_nusd, held_for_run_nusd=hold.amount_nusd, spent_by_run_nusd=hold.actual_nusd or 0,
        )
        for window in windows
    ]


class HeldPath(Struct, frozen=True, kw_only=True):
    """What was held for a run before it began: at most how much, for which calls."""

    amount_nusd: int
    calls: Sequence[tuple[str, str]]
    """Step and first model of each planned call, in their order."""


def path_held_for(*, run_id: UUID) -> HeldPath | None:
    """Return the path that a run was held for; None where its hold is not known any more.

    Worked number: a draft bound at 300,000 nano-USD and an escalation at 5,000,000 are held with 5,300,000.
    """
    hold = Reservation.objects.filter(pk=run_id).only("legs", "amount_nusd").first()
    if hold is None:
        return None
    return HeldPath(amount_nusd=hold.amount_nusd, calls=[(str(leg["step"]), str(leg["model"])) for leg in hold.legs])


class LedgerSpend:
    """The ledger's windows of an end user of the scope's tenant: a SpendSource for CostTracker. Opens no window and creates nobody.

    `tier` is the one that a call would say; without it the end user's own counts, else the tenant's default, as for calls.
    """

    def __init__(
        self, *, tier: str | None = None, api_key: str | None = None, tags: Sequence[str] = (), tenant: Tenant | None = None
    ) -> None:
        self._tier, self._api_key, self._tags, self._tenant = tier, api_key, tags, tenant

    def windows_of(self, user_id: str, *, now: datetime) -> Sequence[WindowSum]:
        """Return each window that would bind a call of the user at `now`. An empty user_id is a call that names nobody."""
        tenant = self._tenant or Tenant.objects.get(pk=current_tenant_id())
        identity = end_user_id(salt=bytes(tenant.end_user_salt), external_id=user_id) if user_id else None
        known = EndUser.objects.filter(pk=identity).select_related("tier").first() if identity and not self._tier else None
        own = known.tier.name if known and known.tier else None
        batch = standing_batch(
            tenant_id=tenant.pk, zone=tenant.time_zone, end_user_id=identity, end_user_name=user_id, api_key=self._api_key,
            tier=self._tier or own or tenant.default_tier, tags=self._tags,
        )
        with connection.cursor() as cursor:
            cursor.execute(STANDING, [batch, now])
            names = [column.name for column in cursor.description or ()]
            return [WindowSum(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def open_holds() -> tuple[int, int]:
    """Return how many calls in flight hold money, and how much."""
    sums = Reservation.objects.filter(state="open").values_list("amount_nusd", flat=True)
    return len(sums), sum(sums)


def _standing(budget: Budget, windows: Sequence[BudgetWindow]) -> BudgetStanding:
    fullest = max(windows, key=lambda window: window.spent_nusd + window.held_nusd, default=None)
    return BudgetStanding(
        budget=budget, limit_nusd=budget.limit_nusd, spent_nusd=fullest.spent_nusd if fullest else 0, held_nusd=fullest.held_nusd if fullest else 0,
        windows=len(windows), end_at=fullest.end_at if fullest else None,
    )


def open_holds_by_tenant() -> Sequence[tuple[str, int, int]]:
    """Return how many calls in flight hold money, and how much, by the tenant's slug, most calls first. For the platform's own eyes."""
    rows = Reservation.objects.filter(state="open").values("tenant__slug").annotate(holds=Count("id"), held=Sum("amount_nusd"))
    return [(row["tenant__slug"], int(row["holds"]), int(row["held"])) for row in rows.order_by("-holds", "tenant__slug")]
