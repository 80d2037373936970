"""Whom a budget would have hit, had it been there: replayed over the day sums of the last four weeks."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db import connection
from msgspec import Struct

from billing.engine.budgets import BudgetScope, Period
from tenants.end_users import end_user_id
from tenants.models import EndUser, Tenant
from tenants.scoping import current_tenant_id

REPLAYED = timedelta(days=28)
PERIOD_STARTS: Mapping[str, str] = {
    Period.DAILY: "d.day", Period.WEEKLY: "date_trunc('week', d.day)::date", Period.MONTHLY: "date_trunc('month', d.day)::date",
    Period.TOTAL: "%(first)s::date",
}  # fmt: skip


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
    dimension, value = _where(scope, subject, tenant)
    query = f"""
        WITH windows AS (
          SELECT d.value, {PERIOD_STARTS[period]} AS start_on, sum(d.cost_nusd) AS spent FROM billing_dayrollup d
           WHERE d.tenant_id = %(tenant)s AND d.day BETWEEN %(first)s AND %(last)s AND d.dimension = %(dimension)s
             AND (%(value)s::text IS NULL OR d.value = %(value)s) AND (d.dimension = 'all' OR d.value <> '')
             AND (%(tier)s::text IS NULL OR d.value IN (SELECT u.id::text FROM tenants_enduser u LEFT JOIN tenants_tier t ON t.id = u.tier_id
                    WHERE u.tenant_id = %(tenant)s AND coalesce(t.name, %(default)s) = %(tier)s))
           GROUP BY 1, 2
        )
        SELECT count(DISTINCT value), count(DISTINCT value) FILTER (WHERE spent > %(limit)s), count(*), count(*) FILTER (WHERE spent > %(limit)s),
               coalesce(sum(spent), 0)::bigint, coalesce(sum(greatest(spent - %(limit)s, 0)), 0)::bigint FROM windows"""  # noqa: S608 - ours
    asked: dict[str, Any] = {
        "tenant": current_tenant_id(), "first": first, "last": today, "dimension": dimension, "value": value, "limit": limit_nusd,
        "tier": subject if scope == BudgetScope.TIER else None, "default": tenant.default_tier,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        subjects, subjects_hit, windows, windows_hit, spent, beyond = cursor.fetchone()
    return Replay(
        first=first, last=today, subjects=subjects, subjects_hit=subjects_hit, windows=windows, windows_hit=windows_hit, spent_nusd=spent,
        beyond_nusd=beyond,
    )


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


def _where(scope: str, subject: str, tenant: Tenant) -> tuple[str, str | None]:
    """The dimension of the day sums, and the value: None for every end user's."""
    if scope == BudgetScope.TENANT:
        return "all", ""
    if scope == BudgetScope.TIER or (scope == BudgetScope.END_USER and not subject):
        return "end_user", None
    if scope == BudgetScope.END_USER:
        return "end_user", str(end_user_id(salt=bytes(tenant.end_user_salt), external_id=subject))
    return scope, subject

