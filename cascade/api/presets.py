"""REST for presets: five are built in and only read; a tenant adds its own and publishes versions."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cascade.engine.presets import BUILT_IN_PRESETS, CascadePreset
from cascade.models import Preset, PresetVersion
from cascade.publishing import create_preset, definition_of, publish_version
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.errors import Conflict
from tenants.models import slug_rule
from tenants.permissions import MANAGEMENT


class PresetSerializer(TenantModelSerializer[Preset]):
    name = serializers.CharField(max_length=64, validators=[slug_rule])
    is_built_in = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField(help_text="The version that calls use.")
    definition = serializers.DictField(help_text="Steps per domain, thresholds, timeouts: of the newest version.")
    created_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Null for the built-in ones.")

    class Meta:
        model = Preset
        fields = ["name", "title", "is_built_in", "version", "definition", "created_at"]
        create_only = ["name", "definition"]

    def get_is_built_in(self, preset: Preset) -> bool:
        return preset.name in BUILT_IN_PRESETS

    def get_version(self, preset: Preset) -> str:
        return str(getattr(preset, "version", ""))

    def create(self, validated_data: dict[str, Any]) -> Preset:
        first = create_preset(name=validated_data["name"], title=validated_data.get("title", ""), definition=validated_data["definition"])
        return as_of(first)


class PresetVersionSerializer(TenantModelSerializer[PresetVersion]):
    definition = serializers.DictField(help_text="Steps per domain, thresholds, timeouts.")

    class Meta:
        model = PresetVersion
        fields = ["number", "definition", "published_at"]
        read_only_fields = ["number"]


def as_of(version: PresetVersion) -> Preset:
    """The preset with what a version says."""
    preset: Any = version.preset
    preset.version, preset.definition = version.number, version.definition
    return version.preset


def built_in(preset: CascadePreset) -> Preset:
    row: Any = Preset(name=preset.name, title=preset.title)
    row.version, row.definition = preset.version, definition_of(preset)
    made: Preset = row
    return made


class PresetViewSet(TenantModelViewSet[Preset]):
    """Whole ways of answering, by name. The built-in ones come first in the list and cannot be changed."""

    required_scopes = MANAGEMENT
    serializer_class = PresetSerializer
    http_method_names = ["get", "post", "patch", "head"]
    lookup_field = "name"
    lookup_value_regex = "[a-z0-9_-]+"
    page_ordering = "name"

    def get_queryset(self) -> QuerySet[Preset]:
        if self.is_described:
            return Preset.objects.none()
        newest = PresetVersion.objects.filter(preset=OuterRef("pk")).order_by("-number")[:1]
        return Preset.objects.annotate(version=Subquery(newest.values("number")), definition=Subquery(newest.values("definition")))

    def get_object(self) -> Preset:
        name = self.kwargs["name"]
        if name not in BUILT_IN_PRESETS:
            return super().get_object()
        if self.request.method not in ("GET", "HEAD"):
            raise Conflict(f"{name!r} is built in and cannot be changed: create your own, beginning with its definition.", code="built_in")
        return built_in(BUILT_IN_PRESETS[name])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().list(request, *args, **kwargs)
        if "cursor" not in request.query_params:
            response.data["results"][:0] = self.get_serializer([built_in(preset) for preset in BUILT_IN_PRESETS.values()], many=True).data
        return response

    @extend_schema(methods=["get"], responses=PresetVersionSerializer(many=True))
    @extend_schema(methods=["post"], request=PresetVersionSerializer, responses={201: PresetVersionSerializer})
    @action(detail=True, methods=["get", "post"], serializer_class=PresetVersionSerializer)
    def versions(self, request: Request, name: str) -> Response:
        """Published versions, newest first; POST publishes the next, which calls use from now on."""
        preset = self.get_object()
        if request.method == "POST":
            wanted = self.get_serializer(data=request.data)
            wanted.is_valid(raise_exception=True)
            published = publish_version(preset=preset, definition=wanted.validated_data["definition"])
            return Response(self.get_serializer(published).data, status=201)
        self.page_ordering = "-number"
        rows: QuerySet[Any] = PresetVersion.objects.filter(preset=preset)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
