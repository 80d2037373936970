"""REST for files for finance: asked for, downloaded, cancelled, and handed on by a link."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from billing.exports.links import InvalidLink, read, sign
from billing.exports.parquet import ParquetMissing
from billing.exports.streaming import Busy, Stream, WholeFile
from billing.exports.wanted import FILTERS, Dimension, FocusVersion, Format, UnknownExport, Wanted, What
from billing.exports.work import ask_for, cancel, file_of, note_download, prepared_of
from billing.exports.writers import CONTENT_TYPES
from billing.models import ExportJob
from cascade.catalog import names_of_models
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.authentication import caller_of
from tenants.end_users import end_user_id
from tenants.errors import Conflict
from tenants.models import Scope
from tenants.scoping import tenant_scope
from tenants.services import actor_of_key

State = ExportJob.State
GONE = {
    State.WAITING: "The worker has not begun it yet.", State.RUNNING: "It is being written.", State.CANCELLED: "It was cancelled. Ask for it anew.",
    State.FAILED: "It failed. Ask for it anew.", State.EXPIRED: "Its file was deleted after its time. Ask for it anew.",
}  # fmt: skip


class TooManyAtOnce(APIException):
    status_code = 503
    default_code = "too_many_exports"
    default_detail = "Too many files are being written right now. Try again in some seconds."
    wait = 5


class WantedSerializer(serializers.Serializer[Any]):
    """What an export shall hold."""

    what = serializers.ChoiceField(choices=get_args(What), help_text="cost_entries, usage (per day and dimension), budgets, or focus (FinOps FOCUS).")
    format = serializers.ChoiceField(choices=get_args(Format), default="csv")
    first = serializers.DateField(help_text="First day, by the time of booking, in your zone; of focus in UTC.")
    last = serializers.DateField(help_text="Last day, included.")
    filters = serializers.DictField(child=serializers.CharField(max_length=255), required=False, help_text=f"{', '.join(FILTERS)}, end_user")
    dimension = serializers.ChoiceField(choices=get_args(Dimension), default="model", help_text="Of usage: what is counted per day.")
    names = serializers.BooleanField(default=False, help_text="Names of end users and keys beside their ids, as they are now.")
    focus = serializers.ChoiceField(choices=get_args(FocusVersion), default="1.2", help_text="1.2 and 1.3 are one file.")
    tag_keys = serializers.ListField(
        child=serializers.CharField(max_length=100), required=False, max_length=10, help_text="Of focus: keys of tags that split rows."
    )
    users = serializers.BooleanField(default=False, help_text="Of focus: rows per end user, with our id of them.")
    calls = serializers.BooleanField(default=False, help_text="Of focus: a row per call and meter.")
    provider_bill = serializers.BooleanField(default=False, help_text="Of focus: you import the provider's own bill too, so BilledCost is 0.")

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else ()
        if unknown:
            known = f"There is no such field. You can set: {', '.join(self.fields)}."
            raise serializers.ValidationError({str(name)[:100]: known for name in unknown})
        return super().to_internal_value(data)


class ExportSerializer(TenantModelSerializer[ExportJob]):
    wanted = serializers.SerializerMethodField(help_text="What was asked for.")
    download = serializers.SerializerMethodField(help_text="Where the file is, once it can be downloaded.")

    class Meta:
        model = ExportJob
        fields = [
            "id", "what", "format", "wanted", "file_name", "state", "rows_expected", "rows_done", "size_bytes", "sha256", "manifest", "failure",
            "created_by", "created_at", "ended_at", "expires_at", "download",
        ]
        read_only_fields = fields

    def get_wanted(self, job: ExportJob) -> dict[str, Any]:
        wanted: dict[str, Any] = job.wanted["wanted"]
        return wanted

    def get_download(self, job: ExportJob) -> str | None:
        return reverse("export-download", args=[job.pk], request=self.context.get("request")) if job.state in (State.READY, State.DONE) else None


class LinkSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="Whoever has it can download the file, without a key.")
    expires_at = serializers.DateTimeField()


class ExportFilters(filters.FilterSet):
    state = filters.ChoiceFilter(choices=State.choices)
    what = filters.CharFilter()


class ExportViewSet(TenantModelViewSet[ExportJob]):
    """Files for finance. A small one is written while you download it, a large one by the worker: look at its `state` until it is `done`."""

    required_scopes = {"read": Scope.READ, "write": Scope.READ}
    serializer_class = ExportSerializer
    filterset_class = ExportFilters
    http_method_names = ["get", "post", "head"]
    page_ordering = ("-created_at", "-id")

    def get_queryset(self) -> QuerySet[ExportJob]:
        rows = super().get_queryset()
        return rows if self.detail else rows.defer("manifest")

    @extend_schema(request=WantedSerializer, responses={201: ExportSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for a file. Up to 300,000 entries it can be downloaded at once (`ready`); of more the worker makes it (`waiting`)."""
        given = WantedSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        caller = caller_of(request)
        try:
            job = ask_for(
                _wanted(given.validated_data, salt=caller.end_user_salt), actor=actor_of_key(caller.key_id), now=timezone.now(),
                catalog=names_of_models(),
            )  # fmt: skip
        except UnknownExport as wrong:
            raise ValidationError({wrong.field: wrong.message}) from wrong
        except ParquetMissing as missing:
            raise Conflict(str(missing), code="parquet_missing") from missing
        return Response(self.get_serializer(job).data, status=201)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """The file. Its SHA-256 and its manifest are on the export afterwards."""
        return file_response(self.get_object())

    @extend_schema(request=None, responses=ExportSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop one that waits or is being written."""
        return Response(self.get_serializer(cancel(self.get_object(), now=timezone.now())).data)

    @extend_schema(request=None, responses=LinkSerializer)
    @action(detail=True, methods=["post"])
    def link(self, request: Request, pk: str) -> Response:
        """Make a link that downloads the file without a key, for seven days."""
        job = self.get_object()
        token, until = sign(tenant_id=job.tenant_id, export_id=job.pk, now=timezone.now())
        return Response({"url": reverse("export-file", args=[token], request=request), "expires_at": until})


def file_response(job: ExportJob) -> HttpResponseBase:
    """Return the file of an export of the scope's tenant. Raises Conflict where there is none to be had."""
    if job.state not in (State.READY, State.DONE):
        raise Conflict(f"There is no file: {GONE[State(job.state)]}", code="no_file")
    if job.state == State.DONE:
        try:
            file = WholeFile(file_of(job))
        except FileNotFoundError as gone:
            raise Conflict("The file is not on this machine: all machines need one EXPORT_FOLDER in common.", code="no_file") from gone
        answer = StreamingHttpResponse(file)
        answer["content-length"] = str(file.size_bytes)
    else:
        try:
            answer = StreamingHttpResponse(Stream(prepared_of(job), on_done=note_download(job)))
        except Busy as busy:
            raise TooManyAtOnce from busy
    answer["content-type"] = CONTENT_TYPES[job.format]
    answer["content-disposition"] = f'attachment; filename="{job.file_name}"'
    answer["cache-control"] = "private, no-store"
    return answer


@require_safe
def export_file(_request: HttpRequest, token: str) -> HttpResponseBase:
    """The file that a signed link is about: no key is asked for."""
    try:
        tenant_id, export_id = read(token, now=timezone.now())
    except InvalidLink as wrong:
        return HttpResponse(f"{wrong}\n", status=404, content_type="text/plain; charset=utf-8")
    with tenant_scope(tenant_id):
        job = ExportJob.objects.filter(pk=export_id, tenant__is_active=True).first()
        try:
            if job is not None:
                return file_response(job)
        except Conflict as none:
            return HttpResponse(f"{none.message}\n", status=409, content_type="text/plain; charset=utf-8")
        except TooManyAtOnce as busy:
            return HttpResponse(f"{busy.detail}\n", status=503, headers={"retry-after": str(busy.wait)}, content_type="text/plain; charset=utf-8")
    return HttpResponse("The export is gone.\n", status=404, content_type="text/plain; charset=utf-8")


def _wanted(given: Mapping[str, Any], *, salt: bytes) -> Wanted:
    chosen = dict(given.get("filters") or {})
    if "end_user" in chosen:
        chosen["end_user_id"] = str(end_user_id(salt=salt, external_id=chosen.pop("end_user")))
    return msgspec.convert({**given, "filters": chosen, "tag_keys": tuple(given.get("tag_keys") or ())}, Wanted)


