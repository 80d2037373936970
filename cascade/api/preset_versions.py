"""REST for the versions of presets: published, drafted, compared and rolled back."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cascade.api.preset_base import PresetBase, Sent
from cascade.api.serializers import RetirementWarningsField
from cascade.drafting import compare, discard_draft, draft_of, problems_of, publish_draft, save_draft, unknown_models
from cascade.models import PresetDraft, PresetVersion
from cascade.publishing import publish_version, roll_back
from tenants.api.base import TenantModelSerializer

MOST_NUMBER = 2**31 - 1


class PresetVersionSerializer(TenantModelSerializer[PresetVersion]):
    definition = serializers.DictField(help_text="Steps per domain, thresholds, timeouts.")
    note = serializers.CharField(required=False, allow_blank=True, max_length=500, help_text="Why, for those who look later.")
    expected = serializers.IntegerField(
        required=False, write_only=True, min_value=0, max_value=MOST_NUMBER,
        help_text="The version that you believe to be the newest: 409 where another came since.",
    )

    warnings = RetirementWarningsField()

    class Meta:
        model = PresetVersion
        fields = ["number", "definition", "warnings", "note", "expected", "published_at", "published_by", "restores"]
        read_only_fields = ["number", "published_by", "restores"]


class DraftSerializer(TenantModelSerializer[PresetDraft]):
    definition = serializers.DictField(read_only=True)
    problems = serializers.SerializerMethodField(help_text="What must be mended before it can be published.")
    unknown_models = serializers.SerializerMethodField(help_text="Models that you do not have: their steps would be left out.")
    warnings = RetirementWarningsField()

    class Meta:
        model = PresetDraft
        fields = ["revision", "base", "definition", "problems", "unknown_models", "warnings", "changed_at", "changed_by"]
        read_only_fields = fields

    def get_problems(self, draft: PresetDraft) -> list[str]:
        return list(problems_of(draft))

    def get_unknown_models(self, draft: PresetDraft) -> list[str]:
        return list(unknown_models(draft))


class RevisionSent(Sent):
    revision = serializers.IntegerField(min_value=0, max_value=MOST_NUMBER, help_text="Of the draft that you have seen; 0 where there was none.")


class DraftSent(RevisionSent):
    definition = serializers.DictField(help_text="May have problems: it is work under way.")
    base = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_NUMBER, help_text="The version it was last compared with; the newest for a new draft."
    )


class PublishSent(RevisionSent):
    note = serializers.CharField(required=False, allow_blank=True, max_length=500)


class RollBackSent(Sent):
    to = serializers.IntegerField(min_value=1, max_value=MOST_NUMBER, help_text="The version whose content is wanted back.")
    expected = serializers.IntegerField(required=False, min_value=1, max_value=MOST_NUMBER, help_text="The version that you think is the newest.")
    note = serializers.CharField(required=False, allow_blank=True, max_length=500)


class DifferenceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text='Domain, step and field, joined by dots: "medical.draft.threshold".')
    change = serializers.ChoiceField(choices=["added", "removed", "changed", "reordered"])
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    old = serializers.CharField()
    new = serializers.CharField()
    differences = DifferenceSerializer(many=True)


class VersionActions(PresetBase):
    @extend_schema(methods=["get"], responses=PresetVersionSerializer(many=True))
    @extend_schema(methods=["post"], request=PresetVersionSerializer, responses={201: PresetVersionSerializer})
    @action(detail=True, methods=["get", "post"], serializer_class=PresetVersionSerializer)
    def versions(self, request: Request, name: str) -> Response:
        """Published versions, newest first; POST publishes the next, which calls use from now on."""
        preset = self.get_object()
        if request.method == "POST":
            said = self.sent(PresetVersionSerializer)
            published = publish_version(
                preset=preset, definition=said["definition"], actor=self.actor, note=said.get("note", ""), expected=said.get("expected")
            )
            return Response(self.get_serializer(published).data, status=201)
        self.page_ordering = "-number"
        rows: QuerySet[Any] = PresetVersion.objects.filter(preset=preset)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=PresetVersionSerializer, parameters=[OpenApiParameter("number", int, OpenApiParameter.PATH)])
    @action(detail=True, methods=["get"], url_path=r"versions/(?P<number>[^/.]+)", serializer_class=PresetVersionSerializer)
    def version(self, request: Request, name: str, number: str) -> Response:
        """One version, as it was published."""
        preset = self.get_object()
        wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
        found = PresetVersion.objects.filter(preset=preset, number=wanted).first()
        if found is None:
            raise Http404
        return Response(self.get_serializer(found).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("old", str, required=True, description='The number of a version, or "draft".'),
            OpenApiParameter("new", str, required=True, description='The number of a version, or "draft".'),
        ],
        responses=ComparisonSerializer, filters=False,
    )
    @action(detail=True, methods=["get"])
    def compare(self, request: Request, name: str) -> Response:
        """What differs between two versions, part by part."""
        preset = self.own()
        missing = [which for which in ("old", "new") if not request.query_params.get(which)]
        if missing:
            raise serializers.ValidationError(dict.fromkeys(missing, 'Say which version to compare: its number, or "draft".'))
        old, new = (request.query_params[which][:20] for which in ("old", "new"))
        found = compare(preset=preset, old=old, new=new)
        return Response(ComparisonSerializer({"old": old, "new": new, "differences": found}).data)

    @extend_schema(request=RollBackSent, responses={201: PresetVersionSerializer})
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, name: str) -> Response:
        """Publish what an older version says as the next version. What was published in between stays in the history."""
        preset = self.own()
        said = self.sent(RollBackSent)
        published = roll_back(preset=preset, to=said["to"], actor=self.actor, note=said.get("note", ""), expected=said.get("expected"))
        return Response(PresetVersionSerializer(published, context=self.get_serializer_context()).data, status=201)


class DraftActions(PresetBase):
    @extend_schema(methods=["get"], responses=DraftSerializer)
    @extend_schema(methods=["patch"], request=DraftSent, responses=DraftSerializer)
    @action(detail=True, methods=["get", "patch"], serializer_class=DraftSerializer)
    def draft(self, request: Request, name: str) -> Response:
        """What the next version may become. It decides no call. PATCH begins or changes it."""
        preset = self.own()
        if request.method == "PATCH":
            said = self.sent(DraftSent)
            draft = save_draft(
                preset=preset, definition=said["definition"], revision=said["revision"], base=said.get("base"), actor=self.actor
            )
            return Response(DraftSerializer(draft, context=self.get_serializer_context()).data)
        return Response(DraftSerializer(draft_of(preset), context=self.get_serializer_context()).data)

    @extend_schema(request=PublishSent, responses={201: PresetVersionSerializer})
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, name: str) -> Response:
        """Publish the draft as the next version, which calls use from now on."""
        preset = self.own()
        said = self.sent(PublishSent)
        published = publish_draft(preset=preset, revision=said["revision"], actor=self.actor, note=said.get("note", ""))
        return Response(PresetVersionSerializer(published, context=self.get_serializer_context()).data, status=201)

    @extend_schema(request=RevisionSent, responses={204: None})
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, name: str) -> Response:
        """Throw the draft away."""
        preset = self.own()
        discard_draft(preset=preset, revision=self.sent(RevisionSent)["revision"])
        return Response(status=204)
