"""Who is charged what: a month split by one dimension, and budgets beside what was spent. Answers for the tenant of the scope, in nano-USD.

What was booked is counted by `booked_at`, as the month's statement is, so that the parts sum to it.
"""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from django.db import connection
from msgspec import Struct

from billing.engine.months import Stretch
from billing.models import BudgetWindow
from tenants.models import ApiKey, EndUser
from tenants.scoping import current_tenant_id

DIMENSIONS = {
    "end_user": "coalesce(e.end_user_id::text, '')", "key": "coalesce(e.api_key_id::text, '')", "tag": "coalesce(t.tag, '')", "tier": "e.tier",
    "domain": "e.domain", "model": "e.model",
}  # fmt: skip
CHARGEBACK = """
SELECT {value}, coalesce(sum(e.amount_nusd) FILTER (WHERE NOT c.is_correction), 0), coalesce(sum(e.amount_nusd) FILTER (WHERE c.is_correction), 0),
       count(*) FILTER (WHERE e.kind IN ('settled', 'estimated', 'assumed'))
  FROM billing_costentry e {joined} CROSS JOIN LATERAL (SELECT e.kind = 'adjustment' OR (e.kind = 'overrun' AND e.actor <> '') AS is_correction) c
 WHERE e.tenant_id = %s AND e.booked_at >= %s AND e.booked_at < %s
 GROUP BY 1 ORDER BY sum(e.amount_nusd) DESC, 1 LIMIT %s
"""


class Charge(Struct, frozen=True, kw_only=True):
    """One line of a chargeback. The value is an id, a tier, a tag or a domain; empty for what was booked without one."""

    value: str
    name: str
    """What the tenant calls it now: the end user's external id, the key's name; else the value."""
    usage_nusd: int
    adjustments_nusd: int
    calls: int

    @property
    def cost_nusd(self) -> int:
        return self.usage_nusd + self.adjustments_nusd


class BudgetLine(Struct, frozen=True, kw_only=True):
    """A window of a budget that began in the month: what it allowed and what was spent. By the time of the calls, as budgets count."""

    budget: str
    period: str
    subject: str
    start_on: date
    limit_nusd: int
    spent_nusd: int
    overrun_nusd: int

    @property
    def left_nusd(self) -> int:
        return self.limit_nusd - self.spent_nusd


def chargeback(*, month: Stretch, dimension: str, limit: int | None = None) -> Sequence[Charge]:
    """Return what each value of a dimension (see DIMENSIONS) came to, dearest first. Raises KeyError for an unknown one.

    The lines sum to the month's usage and adjustments, except by tag: an entry with several tags counts under each of them.
    """
    joined = "LEFT JOIN LATERAL unnest(e.tags) AS t(tag) ON true" if dimension == "tag" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            CHARGEBACK.format(value=DIMENSIONS[dimension], joined=joined), [current_tenant_id(), month.start_at, month.end_at, limit]
        )
        rows = cursor.fetchall()
    names = _names(dimension, [value for value, *_ in rows if value])
    return [
        Charge(value=value, name=names.get(value, value), usage_nusd=int(usage), adjustments_nusd=int(adjustments), calls=calls)
        for value, usage, adjustments, calls in rows
    ]


def budget_report(*, month: Stretch) -> Sequence[BudgetLine]:
    """Return the windows of budgets that began in the month, each budget's in their order: the limit, what was spent, what was overrun."""
    windows = BudgetWindow.objects.filter(start_at__gte=month.start_at, start_at__lt=month.end_at).select_related("budget")
    return [
        BudgetLine(
            budget=str(window.budget), period=window.budget.period, subject=window.subject,
            start_on=window.start_at.astimezone(ZoneInfo(month.zone)).date(), limit_nusd=window.limit_nusd,
            spent_nusd=window.spent_nusd, overrun_nusd=window.overrun_nusd,
        )
        for window in windows.order_by("budget__created_at", "budget_id", "subject", "start_at")
    ]  # fmt: skip


def _names(dimension: str, values: Sequence[str]) -> dict[str, str]:
    if dimension == "end_user":
        return {str(user.pk): user.external_id for user in EndUser.objects.filter(pk__in=values)}
    return {str(key.pk): key.name for key in ApiKey.objects.filter(pk__in=values)} if dimension == "key" else {}
