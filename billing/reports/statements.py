"""Months for finance: where one begins, what it opened and closed with. Answers for the tenant of the scope, amounts in nano-USD.

An entry is counted to the month of `booked_at` in the tenant's zone; billing/closing.py says why.
"""

from datetime import date

from django.db.models import Count, Q, Sum

from billing.engine.months import MonthStatement, Stretch, month_stretch, next_month, stretch
from billing.models import CloseOfMonth, CostEntry
from tenants.models import Tenant

CORRECTION = Q(kind="adjustment") | (Q(kind="overrun") & ~Q(actor=""))
"""An entry that corrects what was booked, as opposed to what a call came to when it ended."""


def close_of(month: date) -> CloseOfMonth | None:
    """Return the close of the month that `month` is in; None where it is open."""
    return CloseOfMonth.objects.filter(month=month.replace(day=1), reopened_at=None).first()


def month_of(*, tenant: Tenant, day: date) -> Stretch:
    """Return the tenant's month that holds `day`: a closed one as it was closed, the one after it from where that ended.

    So no entry is in two months or in none, also where the tenant's time zone was changed between them.
    """
    wanted = month_stretch(day, zone=tenant.time_zone)
    close = close_of(wanted.first)
    if close is not None:
        return Stretch(first=wanted.first, last=wanted.last, zone=close.time_zone, start_at=close.start_at, end_at=close.end_at)
    return _after_closes(wanted)


def days_of(*, tenant: Tenant, first: date, last: date) -> Stretch:
    """Return days of the tenant; whole months as `month_of` has them. Raises ValueError where the last is before the first."""
    wanted = stretch(first, last, zone=tenant.time_zone)
    return month_of(tenant=tenant, day=first) if wanted.is_a_month else wanted


def month_statement(*, month: Stretch) -> MonthStatement:
    """Return what the month opened with, what its calls came to, what was corrected in it, and what it closed with."""
    close = close_of(month.first)
    if close is not None:
        return MonthStatement(
            opening_nusd=close.opening_nusd, usage_nusd=close.usage_nusd, adjustments_nusd=close.adjustments_nusd, entries=close.entries
        )
    before = CostEntry.objects.filter(booked_at__lt=month.start_at).aggregate(cost=Sum("amount_nusd"))["cost"]
    sums = CostEntry.objects.filter(booked_at__gte=month.start_at, booked_at__lt=month.end_at).aggregate(
        usage=Sum("amount_nusd", filter=~CORRECTION), adjustments=Sum("amount_nusd", filter=CORRECTION), entries=Count("id")
    )
    return MonthStatement(
        opening_nusd=int(before or 0), usage_nusd=int(sums["usage"] or 0), adjustments_nusd=int(sums["adjustments"] or 0), entries=sums["entries"]
    )


def _after_closes(wanted: Stretch) -> Stretch:
    last = CloseOfMonth.objects.filter(reopened_at=None).first()
    if last is None or next_month(last.month) != wanted.first:
        return wanted
    return Stretch(first=wanted.first, last=wanted.last, zone=wanted.zone, start_at=last.end_at, end_at=wanted.end_at)
