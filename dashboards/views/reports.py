"""Files for finance: asked for, downloaded, cancelled, and handed on by a link that expires."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing.exports.files import checksum_file, manifest_file
from billing.exports.links import sign
from billing.exports.parquet import ParquetMissing
from billing.exports.wanted import UnknownExport
from billing.exports.work import ask_again, ask_for
from billing.exports.work import cancel as stop
from billing.models import ExportJob
from cascade.api.exports import TooManyAtOnce, file_response
from cascade.catalog import names_of_models
from dashboards.access import may
from dashboards.forms.reports import FILES, FileForm
from dashboards.months import months_until
from dashboards.screens.reports import READINGS, newest_files, shown_sample
from dashboards.shell import is_part, membership_of, show, show_part
from tenants.errors import Conflict
from tenants.roles import Permission

State = ExportJob.State


def reports(request: HttpRequest) -> HttpResponse:
    """What there is to read and to take away, and the files that were asked for."""
    return _page(request)


def sample(request: HttpRequest) -> HttpResponse:
    """Say what the file in the form would hold: a piece of the page, and a page where no script runs. Nothing is made."""
    now, membership = timezone.now(), membership_of(request)
    months = months_until(zone=membership.tenant.time_zone, now=now)
    form = FileForm({"report": "focus", "month": f"{months[1]:%Y-%m}", "format": "csv", **request.GET.dict()}, months=months)
    context: dict[str, Any] = {"may_export": True}
    if form.is_valid():
        try:
            context["sample"] = shown_sample(form.wanted, file=FILES[form.cleaned_data["report"]], catalog=names_of_models())
        except UnknownExport as wrong:
            context["problem"] = str(wrong)
    else:
        context["problem"] = " ".join(str(error) for errors in form.errors.values() for error in errors)
    if is_part(request):
        return show_part(request, "console/reports/sample.html", context)
    return show(request, "console/reports/sample_page.html", context, title="What a file holds", now=now)


def make(request: HttpRequest) -> HttpResponseBase:
    """Ask for a file. A small one is downloaded at once, a large one is made by the worker."""
    now, membership = timezone.now(), membership_of(request)
    form = FileForm(request.POST, months=months_until(zone=membership.tenant.time_zone, now=now))
    if not form.is_valid():
        return _page(request, form=form)
    try:
        job = ask_for(form.wanted, actor=membership.user.email, now=now, catalog=names_of_models())
    except (UnknownExport, ParquetMissing, Conflict) as wrong:
        form.add_error(None, str(wrong))
        return _page(request, form=form)
    if job.state == State.READY:
        return redirect("reports_download", membership.tenant.slug, job.pk)
    messages.success(request, f"{job.file_name} is large: it is made in the background. This page shows how far it is.")
    return redirect("reports", membership.tenant.slug)


def files(request: HttpRequest) -> HttpResponse:
    """The list of files, asked for every two seconds while one is being written."""
    return show_part(request, "console/reports/files.html", _files(request))


def download(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    try:
        return file_response(get_object_or_404(ExportJob, pk=pk))
    except (Conflict, TooManyAtOnce) as none:
        messages.error(request, str(none))
        return redirect("reports", membership_of(request).tenant.slug)


def manifest(request: HttpRequest, pk: UUID) -> HttpResponse:  # noqa: ARG001 - the route has asked who it is
    """What the file holds: its filters, its time zone, how many rows, and their sum."""
    job = get_object_or_404(ExportJob, pk=pk, manifest__isnull=False)
    return _attached(manifest_file(job.manifest or {}), name=f"{job.file_name}.manifest.json", content_type="application/json")


def checksum(request: HttpRequest, pk: UUID) -> HttpResponse:  # noqa: ARG001 - the same
    """What `sha256sum --check` reads."""
    job = get_object_or_404(ExportJob.objects.exclude(sha256=""), pk=pk)
    return _attached(checksum_file(job.sha256, name=job.file_name), name=f"{job.file_name}.sha256", content_type="text/plain; charset=utf-8")


def again(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Ask once more for a file that failed."""
    membership = membership_of(request)
    try:
        job = ask_again(get_object_or_404(ExportJob, pk=pk), actor=membership.user.email, now=timezone.now(), catalog=names_of_models())
        messages.success(request, f"{job.file_name} is asked for once more.")
    except (UnknownExport, ParquetMissing, Conflict) as wrong:
        messages.error(request, str(wrong))
    return redirect("reports", membership.tenant.slug)


def cancel(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    try:
        job = stop(get_object_or_404(ExportJob, pk=pk), now=timezone.now())
        messages.success(request, f"{job.file_name} is cancelled.")
    except Conflict as over:
        messages.error(request, str(over))
    return redirect("reports", membership_of(request).tenant.slug)


def link(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show a link that downloads the file without a login. It is in this one answer alone."""
    job = get_object_or_404(ExportJob, pk=pk)
    token, until = sign(tenant_id=job.tenant_id, export_id=job.pk, now=timezone.now())
    answer = _page(request, link={"url": request.build_absolute_uri(reverse("export-file", args=[token])), "until": until, "job": job})
    answer["cache-control"] = "no-store"
    return answer


def _attached(content: bytes, *, name: str, content_type: str) -> HttpResponse:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)


def _page(request: HttpRequest, *, form: FileForm | None = None, link: Any = None) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    chosen = request.GET.get("report", "")
    shown = form or FileForm(None, months=months_until(zone=membership.tenant.time_zone, now=now), report=chosen if chosen in FILES else "focus")
    context = {
        "readings": READINGS, "reports": FILES, "form": shown, "link": link, "may_schedule": may(membership, Permission.SCHEDULE_REPORTS),
        **_files(request),
    }  # fmt: skip
    return show(request, "console/reports/reports.html", context, title="Reports", now=now, status=422 if form is not None else 200)


def _files(request: HttpRequest) -> dict[str, Any]:
    allowed = may(membership_of(request), Permission.EXPORT)
    shown = newest_files() if allowed else []
    return {"may_export": allowed, "files": shown, "is_busy": any(one.is_open for one in shown)}
