"""Whom a budget would have hit, had it been there: replayed over the day sums of the last four weeks, and over the runs of the last one."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db import connection
from msgspec import Struct

from billing.engine.budgets import BudgetScope, Period
from billing.reports.patience import TooMuchToRead, read_patiently
from billing.reports.pivot import COLUMNS
from tenants.end_users import end_user_id
from tenants.models import EndUser, Tenant
from tenants.scoping import current_tenant_id

REPLAYED, RUNS_REPLAYED = timedelta(days=28), timedelta(days=7)
RUNS_PATIENCE_MS = 1_000
PERIOD_STARTS: Mapping[str, str] = {
    Period.DAILY: "d.day", Period.WEEKLY: "date_trunc('week', d.day)::date", Period.MONTHLY: "date_trunc('month', d.day)::date",
    Period.TOTAL: "%(first)s::date",
}  # fmt: skip


IN_TIER = """(%(tier)s::text IS NULL OR d.value IN (SELECT u.id::text FROM tenants_enduser u LEFT JOIN tenants_tier t ON t.id = u.tier_id
                    WHERE u.tenant_id = %(tenant)s AND coalesce(t.name, %(default)s) = %(tier)s))"""


class Replay(Struct, frozen=True, kw_only=True):
    """What a limit would have met on the days from `first` to `last`. A window is one subject's day, week or month.

    `beyond_nusd` is what was spent beyond the limit: what a block would have refused, and what a degrade would have had to save.
    """

    first: date
    last: date
    subjects: int
    subjects_hit: int
    windows: int
    windows_hit: int
    spent_nusd: int
    beyond_nusd: int


def replay(*, scope: str, subject: str, period: str, limit_nusd: int, tenant: Tenant, today: date) -> Replay:
    """Return whom a limit would have hit in the last 28 days (for weeks and months: from the beginning of the first one on).

    End users are counted in the tier that they have now. From day sums: a window counts as hit when its sum is above the limit.
    Worked number: days of 30, 50 and 20 cents under a limit of 40 a day: 3 windows, 1 hit, 10 cents beyond.
    """
    first = _first(today - REPLAYED + timedelta(days=1), period)
    query = f"""
        WITH windows AS (
          SELECT d.value, {PERIOD_STARTS[period]} AS start_on, sum(d.cost_nusd) AS spent FROM billing_dayrollup d
           WHERE d.tenant_id = %(tenant)s AND d.day BETWEEN %(first)s AND %(last)s AND d.dimension = %(dimension)s
             AND (%(value)s::text IS NULL OR d.value = %(value)s) AND (d.dimension = 'all' OR d.value <> '')
             AND {IN_TIER}
           GROUP BY 1, 2
        )
        SELECT count(DISTINCT value), count(DISTINCT value) FILTER (WHERE spent > %(limit)s), count(*), count(*) FILTER (WHERE spent > %(limit)s),
               coalesce(sum(spent), 0)::bigint, coalesce(sum(greatest(spent - %(limit)s, 0)), 0)::bigint FROM windows"""  # noqa: S608 - ours
    asked = {**_asked(scope, subject, limit_nusd, tenant), "first": first, "last": today}
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        subjects, subjects_hit, windows, windows_hit, spent, beyond = cursor.fetchone()
    return Replay(
        first=first, last=today, subjects=subjects, subjects_hit=subjects_hit, windows=windows, windows_hit=windows_hit, spent_nusd=spent,
        beyond_nusd=beyond,
    )


class RunsReplay(Struct, frozen=True, kw_only=True):
    """How many runs a limit would have bound on the days from `first` to `last`, and how many of them it had no room for."""

    first: date
    last: date
    runs: int
    runs_beyond: int


def replay_runs(*, scope: str, subject: str, period: str, limit_nusd: int, tenant: Tenant, today: date) -> RunsReplay | None:
    """Return how many runs of the last 7 days would have gone beyond a limit: what a block would have refused, and a degrade sent cheaper ways.

    From the entries, in the order in which they happened; what a window had spent before the first day is from the day sums. A run counts as beyond
    where its window's sum with it is above the limit, as if those before it had all been let through. None where that takes longer than a
    page may wait, and for a budget of all time, whose sum began with the first call.
    Worked number: runs of 30, 50 and 20 cents on one day under a limit of 40 a day: 3 runs, 2 beyond.
    """
    if period == Period.TOTAL:
        return None
    first, asked = today - RUNS_REPLAYED + timedelta(days=1), _asked(scope, subject, limit_nusd, tenant)
    is_tag = asked["dimension"] == BudgetScope.TAG
    value = "%(value)s::text" if is_tag else COLUMNS[asked["dimension"]]
    bound = "e.tags && ARRAY[%(value)s]::varchar[]" if is_tag else f"(%(value)s::text IS NULL OR {value} = %(value)s)"
    query = f"""
        WITH runs AS (
          SELECT {value} AS value, e.reservation_id, min(e.occurred_on) AS day, min(e.occurred_at) AS at, sum(e.amount_nusd) AS cost
            FROM billing_costentry e
           WHERE e.tenant_id = %(tenant)s AND e.occurred_on BETWEEN %(first)s AND %(last)s AND e.booked_at >= %(first)s::date - 2
             AND e.kind <> 'adjustment' AND {bound} GROUP BY 1, 2
        ), before AS (
          SELECT d.value, sum(d.cost_nusd) AS spent FROM billing_dayrollup d
           WHERE d.tenant_id = %(tenant)s AND d.day >= %(begins)s AND d.day < %(first)s AND d.dimension = %(dimension)s
             AND (%(value)s::text IS NULL OR d.value = %(value)s) GROUP BY 1
        ), sums AS (
          SELECT sum(d.cost) OVER (PARTITION BY d.value, {PERIOD_STARTS[period]} ORDER BY d.at, d.reservation_id)
                 + CASE WHEN {PERIOD_STARTS[period]} = %(begins)s THEN coalesce(b.spent, 0) ELSE 0 END AS spent
            FROM runs d LEFT JOIN before b ON b.value = d.value WHERE (%(dimension)s = 'all' OR d.value <> '') AND {IN_TIER}
        )
        SELECT count(*), count(*) FILTER (WHERE spent > %(limit)s) FROM sums"""  # noqa: S608 - ours
    asked |= {"begins": _first(first, period), "first": first, "last": today}
    try:
        ((runs, beyond),) = read_patiently(query, asked, patience_ms=RUNS_PATIENCE_MS)
    except TooMuchToRead:
        return None
    return RunsReplay(first=first, last=today, runs=runs, runs_beyond=beyond)


def bound_end_users(*, scope: str, subject: str, tenant: Tenant) -> int | None:
    """Return how many end users a budget binds one by one, or None for one that binds them together."""
    if scope == BudgetScope.TIER:
        rows = EndUser.objects.filter(tier__name=subject)
        return rows.count() + (EndUser.objects.filter(tier=None).count() if subject == tenant.default_tier else 0)
    if scope == BudgetScope.END_USER:
        return 1 if subject else EndUser.objects.count()
    return None


def _first(day: date, period: str) -> date:
    if period == Period.WEEKLY:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == Period.MONTHLY else day


def _asked(scope: str, subject: str, limit_nusd: int, tenant: Tenant) -> dict[str, Any]:
    dimension, value = _where(scope, subject, tenant)
    return {
        "tenant": current_tenant_id(), "dimension": dimension, "value": value, "limit": limit_nusd,
        "tier": subject if scope == BudgetScope.TIER else None, "default": tenant.default_tier,
    }  # fmt: skip


def _where(scope: str, subject: str, tenant: Tenant) -> tuple[str, str | None]:
    """The dimension of the day sums, and the value: None for every end user's."""
    if scope == BudgetScope.TENANT:
        return "all", ""
    if scope == BudgetScope.TIER or (scope == BudgetScope.END_USER and not subject):
        return "end_user", None
    if scope == BudgetScope.END_USER:
        return "end_user", str(end_user_id(salt=bytes(tenant.end_user_salt), external_id=subject))
    return scope, subject

