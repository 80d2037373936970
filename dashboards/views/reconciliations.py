"""Providers' bills beside the book: a usage file is uploaded, its gaps are classified, and its corrections posted once somebody signs."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from billing.engine.usage_files import InvalidUsageFile
from billing.models import Reconciliation
from billing.reconciling import approve, keep, post_corrections
from cascade.api.reconciliations import MOST_LINES
from cascade.api.usage_uploads import MAX_FILE_BYTES, read_file
from cascade.catalog import catalog_of
from cascade.models import ProviderConnection
from dashboards.access import may
from dashboards.shell import membership_of, show
from tenants.errors import Conflict
from tenants.roles import Permission

SHOWN, SHOWN_GAPS = 100, 500
LARGEST_MB = MAX_FILE_BYTES // 1024 // 1024


def reconciliations(request: HttpRequest) -> HttpResponseBase:
    """The files that were compared; and, by POST, one more."""
    problems: list[str] = []
    if request.method == "POST":
        try:
            return _kept(request)
        except InvalidUsageFile as wrong:
            problems = [str(problem) for problem in wrong.problems]
        except Conflict as wrong:
            problems = [str(wrong)]
    now, membership = timezone.now(), membership_of(request)
    context = {
        "files": Reconciliation.objects.defer("usage", "gaps").order_by("-created_at", "-id")[:SHOWN], "problems": problems, "largest": LARGEST_MB,
        "connections": list(ProviderConnection.objects.values_list("name", flat=True)), "may_close": may(membership, Permission.CLOSE_BOOKS),
    }  # fmt: skip
    return show(request, "console/reports/reconciliations.html", context, title="Reconciliation", now=now, status=422 if problems else 200)


def reconciliation(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """One file with its gaps; and, by POST, its corrections posted by whoever signs for them."""
    now, membership = timezone.now(), membership_of(request)
    found = get_object_or_404(Reconciliation.objects.all(), pk=pk)
    if request.method == "POST":
        _sign(request, found, now=now)
        return redirect("reports_reconciliations_one", membership.tenant.slug, found.pk)
    context = {
        "file": found, "gaps": found.gaps[:SHOWN_GAPS], "hidden": max(0, len(found.gaps) - SHOWN_GAPS),
        "kinds": sorted(found.summary.get("kinds", {}).items()), "may_close": may(membership, Permission.CLOSE_BOOKS),
        "difference": found.provider_nusd - found.booked_nusd,
    }  # fmt: skip
    return show(request, "console/reports/reconciliation.html", context, title=f"{found}", now=now)


def _kept(request: HttpRequest) -> HttpResponseBase:
    membership, file = membership_of(request), request.FILES.get("file")
    if file is None:
        raise Conflict("Choose the provider's usage file.")
    if (file.size or 0) > MAX_FILE_BYTES:
        raise Conflict(f"The file is larger than {LARGEST_MB} MiB. Split it by days.")
    catalog = catalog_of(request.POST.get("provider", ""))
    digest, usage = read_file(file.file)
    row, _ = keep(
        usage, catalog=catalog, digest=digest, file_name=file.name or "", actor=membership.user.email, most_lines=MOST_LINES,
    )  # fmt: skip
    return redirect("reports_reconciliations_one", membership.tenant.slug, row.pk)


def _sign(request: HttpRequest, row: Reconciliation, *, now: Any) -> None:
    try:
        approve(row, actor=membership_of(request).user.email, now=now)
        refused = post_corrections(row, catalog=catalog_of(row.provider), now=now, most_lines=MOST_LINES)
    except Conflict as wrong:
        messages.error(request, str(wrong))
        return
    if refused:
        messages.warning(request, f"{len(refused)} corrections were not posted ({', '.join(sorted(set(refused)))}): sign again to try them anew.")
    else:
        messages.success(request, "All corrections are posted.")
