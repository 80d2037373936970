"""REST for the audit log: only read."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tenants.actors import ActorKind, Door
from tenants.api.base import TenantModelSerializer, TenantModelViewSet
from tenants.models import AuditEntry
from tenants.permissions import MANAGEMENT

DATABASE = ("database", "A hand at the database")


class FieldChangeSerializer(serializers.Serializer[Any]):
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True, help_text='Of a secret, and of what may tell who an end user is, only "changed". Amounts are USD.')


class AuditEntrySerializer(TenantModelSerializer[AuditEntry]):
    changes = serializers.SerializerMethodField(help_text="By field, its value before and after.")

    class Meta:
        model = AuditEntry
        fields = [
            "id", "at", "actor_kind", "actor_id", "actor_name", "door", "operation", "action", "object_type", "object_id", "object_name", "changes",
            "reason", "request_id", "ip",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=FieldChangeSerializer()))
    def get_changes(self, entry: AuditEntry) -> dict[str, Any]:
        return dict(entry.changes)


class AuditEntryFilters(filters.FilterSet):
    actor_kind = filters.ChoiceFilter(choices=[*((kind.value, kind.value) for kind in ActorKind), DATABASE])
    actor_id = filters.UUIDFilter(help_text="Id of the person or the API key.")
    door = filters.ChoiceFilter(choices=[*((door.value, door.value) for door in Door), DATABASE])
    action = filters.CharFilter(help_text="created, changed, deleted, or another one that entries show.")
    object_type = filters.CharFilter(help_text='As entries show it: "api_key", "budget".')
    object_id = filters.CharFilter(help_text="What happened to one thing.")
    since = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", help_text="At or after this time.")
    until = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", help_text="Before this time.")


class AuditEntryViewSet(TenantModelViewSet[AuditEntry]):
    """Who changed what, from where, before and after. Newest first. Entries are written with the change and never altered."""

    required_scopes = MANAGEMENT
    serializer_class = AuditEntrySerializer
    filterset_class = AuditEntryFilters
    http_method_names = ["get", "head"]
    page_ordering = ("-at", "-id")
