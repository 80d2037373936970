"""Presets by name, the built-in ones among them: what all their REST operations stand on."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from rest_framework import serializers

from cascade.api.serializers import RetirementWarningsField
from cascade.engine.presets import BUILT_IN_PRESETS, CascadePreset
from cascade.models import Preset, PresetVersion
from cascade.publishing import create_preset, definition_of
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.authentication import caller_of
from tenants.errors import Conflict
from tenants.models import slug_rule
from tenants.services import actor_of_key


class PresetSerializer(TenantModelSerializer[Preset]):
    name = serializers.CharField(max_length=64, validators=[slug_rule])
    is_built_in = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField(help_text="The version that calls use.")
    definition = serializers.DictField(help_text="Steps per domain, thresholds, timeouts: of the newest version.")
    warnings = RetirementWarningsField()
    created_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Null for the built-in ones.")

    class Meta:
        model = Preset
        fields = ["name", "title", "is_built_in", "version", "definition", "warnings", "created_at"]
        create_only = ["name", "definition"]

    def get_is_built_in(self, preset: Preset) -> bool:
        return preset.name in BUILT_IN_PRESETS

    def get_version(self, preset: Preset) -> str:
        return str(getattr(preset, "version", ""))

    def create(self, validated_data: dict[str, Any]) -> Preset:
        first = create_preset(
            name=validated_data["name"], title=validated_data.get("title", ""), definition=validated_data["definition"],
            actor=actor_of_key(caller_of(self.context["request"]).key_id),
        )
        return as_of(first)


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


class Sent(serializers.Serializer[Any]):
    """The body of an operation: it takes the fields it names and no other."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else ()
        if unknown:
            known = f"There is no such field. You can set: {', '.join(self.fields)}."
            raise serializers.ValidationError({str(name)[:100]: known for name in unknown})
        return super().to_internal_value(data)


class PresetBase(TenantModelViewSet[Preset]):
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
        """Raises Conflict where a built-in preset would be changed."""
        name = self.kwargs["name"]
        if name not in BUILT_IN_PRESETS:
            return super().get_object()
        if self.request.method not in ("GET", "HEAD"):
            raise Conflict(f"{name!r} is built in and cannot be changed: create your own, beginning with its definition.", code="built_in")
        return built_in(BUILT_IN_PRESETS[name])

    def own(self) -> Preset:
        """The tenant's own preset of this name. Raises Conflict for a built-in one, whatever is asked of it."""
        name = self.kwargs["name"]
        if name in BUILT_IN_PRESETS:
            raise Conflict(f"{name!r} is built in: it has one version and no draft. Create your own, beginning with its definition.", code="built_in")
        return super().get_object()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "today": timezone.now().date()}

    @property
    def actor(self) -> str:
        return actor_of_key(caller_of(self.request).key_id)

    def sent(self, form: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The body, checked. Raises ValidationError."""
        wanted = form(data=self.request.data)
        wanted.is_valid(raise_exception=True)
        said: dict[str, Any] = wanted.validated_data
        return said
