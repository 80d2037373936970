"""The staff admin of answers: connections, models, presets, policies, rules and runs."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from cascade.connections import change_connection, check_origin
from cascade.hook_changes import change_hook
from cascade.models import (
    CascadeRun,
    CatalogModel,
    DomainRule,
    EnforcementHook,
    Preset,
    PresetDraft,
    PresetRollout,
    PresetVersion,
    ProviderConnection,
    TierPolicy,
)
from tenants.admin import ReadOnlyTenantAdmin, TenantModelAdmin
from tenants.admin_base import TenantModelForm
from tenants.encryption import Secret


class ConnectionForm(TenantModelForm):
    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        try:
            check_origin(self.instance)
        except ValidationError as wrong:
            self.add_error(None, wrong)


@admin.register(ProviderConnection)
class ProviderConnectionAdmin(TenantModelAdmin):
    """A credential is given by its tenant and never shown. Moving a connection to another address wipes it."""

    form = ConnectionForm
    list_display = ["name", "provider", "base_url", "is_active", "tenant"]
    list_filter = ["tenant", "provider", "is_active"]
    search_fields = ["name", "base_url"]
    readonly_fields = ["has_credential"]

    @admin.display(boolean=True, description="has a credential")
    def has_credential(self, connection: ProviderConnection) -> bool:
        return bool(connection.credential)

    def save_model(self, request: HttpRequest, obj: ProviderConnection, form: Any, change: bool) -> None:  # noqa: FBT001
        stored = ProviderConnection.objects.get(pk=obj.pk) if change else obj
        if not change:
            stored.credential = Secret("")
        change_connection(connection=stored, changes={name: getattr(obj, name) for name in form.changed_data})


@admin.register(CatalogModel)
class CatalogModelAdmin(TenantModelAdmin):
    list_display = ["name", "connection", "part", "retired_on", "tenant"]
    list_filter = ["tenant", "part", "connection"]
    list_select_related = ["tenant", "connection"]
    search_fields = ["name", "upstream_name"]


@admin.register(Preset)
class PresetAdmin(TenantModelAdmin):
    """Presets are made, and their versions published, where a definition is checked: by REST or in the console."""

    list_display = ["name", "title", "tenant", "created_at"]
    search_fields = ["name", "title"]
    readonly_fields = ["name", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(PresetVersion)
class PresetVersionAdmin(ReadOnlyTenantAdmin):
    list_display = ["preset", "number", "published_at", "published_by", "restores", "note", "tenant"]
    list_filter = ["tenant", "preset"]
    list_select_related = ["tenant", "preset"]


@admin.register(PresetDraft)
class PresetDraftAdmin(ReadOnlyTenantAdmin):
    list_display = ["preset", "revision", "base", "changed_at", "changed_by", "tenant"]
    list_select_related = ["tenant", "preset"]


@admin.register(PresetRollout)
class PresetRolloutAdmin(ReadOnlyTenantAdmin):
    """Changed where share and shadow are checked together: by REST or in the console."""

    list_display = ["preset", "share", "shadow", "changed_at", "changed_by", "tenant"]
    list_filter = ["tenant"]


@admin.register(TierPolicy)
class TierPolicyAdmin(TenantModelAdmin):
    list_display = ["tier", "preset", "tenant"]
    list_select_related = ["tenant", "tier"]


@admin.register(EnforcementHook)
class EnforcementHookAdmin(TenantModelAdmin):
    """Hooks are made by their tenants, for the secret is shown once. Staff may switch them off and change what they are asked about."""

    list_display = ["name", "url", "timeout_ms", "is_active", "tenant"]
    list_filter = ["tenant", "is_active"]
    search_fields = ["name", "url"]
    readonly_fields = ["name", "url", "old_secret_until", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: EnforcementHook, form: Any, change: bool) -> None:  # noqa: FBT001
        change_hook(hook=obj, changes={name: getattr(obj, name) for name in form.changed_data})


@admin.register(DomainRule)
class DomainRuleAdmin(TenantModelAdmin):
    list_display = ["phrase", "domain", "weight", "is_enabled", "tenant"]
    list_filter = ["tenant", "domain", "is_enabled"]
    search_fields = ["phrase"]


@admin.register(CascadeRun)
class CascadeRunAdmin(ReadOnlyTenantAdmin):
    list_display = ["id", "tenant", "status", "policy_version", "arm", "domain", "model_used", "draft_accepted", "started_at"]
    list_filter = ["tenant", "status", "arm"]
