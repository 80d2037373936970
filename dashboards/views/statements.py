"""Reports that are read on a page, printed, or taken away as CSV."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.engine.money import to_usd
from billing.reports.statements import close_of
from dashboards.access import may, refuse
from dashboards.months import month_choices, month_named, months_until
from dashboards.screens.reports import READINGS
from dashboards.screens.statements import BY, Reading, reading_of
from dashboards.shell import may_wait, membership_of, show_piece
from dashboards.spreadsheets import csv_file
from tenants.roles import Permission


def read(request: HttpRequest) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    report = request.GET.get("report", "")
    report = report if report in READINGS else next(iter(READINGS))
    by = request.GET.get("by", "")
    by = by if by in BY else next(iter(BY))
    months = months_until(zone=membership.tenant.time_zone, now=now)
    month = month_named(request.GET.get("month", ""), among=months)
    may_export = may(membership, Permission.EXPORT)
    is_file = request.GET.get("format") == "csv"
    if is_file and not may_export:
        return refuse(request, Permission.EXPORT)
    reading = reading_of(report, month=month, by=by, tenant=membership.tenant) if is_file or may_wait(request) else None
    name = f"{membership.tenant.slug}-{report}{f'-by-{by}' if report == 'chargeback' else ''}-{month:%Y-%m}"
    if reading is not None and is_file:
        return _file(reading, name)
    context = {
        "report": report, "readings": READINGS, "about": READINGS[report][1], "by": by, "dimensions": BY, "months": month_choices(months),
        "month": f"{month:%Y-%m}", "month_name": f"{month:%B %Y}", "is_running": month == months[0], "reading": reading, "may_export": may_export,
        "is_closed": close_of(month) is not None, "is_later": reading is None,
    }  # fmt: skip
    return show_piece(request, "console/reports/lines.html", "console/reports/read.html", context, title=READINGS[report][0], now=now)


def _file(reading: Reading, name: str) -> HttpResponse:
    headings = [f"{column.label}, USD" if column.unit == "usd" else column.label for column in reading.columns]
    rows = (
        [to_usd(cell) if column.unit == "usd" and isinstance(cell, int) else cell for cell, column in zip(row, reading.columns, strict=True)]
        for row in reading.rows
    )
    return csv_file(f"{name}.csv", headings=headings, rows=rows)
