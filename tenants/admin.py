"""The staff admin of tenants, their people, end users and keys."""

from typing import Any

from allauth.account.admin import EmailAddress
from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.admin import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tenants.admin_base import ReadOnlyPlatformAdmin, ReadOnlyTenantAdmin, TenantModelAdmin
from tenants.admin_site import PlatformAdminSite
from tenants.models import ApiKey, AuditEntry, Demo, Erasure, Invitation, Membership, StaffSession, Tenant, Tier, User
from tenants.services import revoke_key

__all__ = ["PlatformAdminSite", "ReadOnlyPlatformAdmin", "ReadOnlyTenantAdmin", "TenantModelAdmin"]


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A tenant is switched off, never deleted: its money stays booked. A demo is made and deleted in the console, by whoever it is for."""

    list_display = ["name", "slug", "time_zone", "is_active", "is_demo", "created_at"]
    list_filter = ["is_active", "is_demo"]
    search_fields = ["name", "slug"]
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> list[str]:
        return ["slug", "is_demo", "created_at"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["email", "name"]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People who log in. Who is staff and may do what is for superusers to say; a password is set, never seen."""

    add_form = NewUserForm
    add_fieldsets = [(None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})]
    fieldsets = [
        (None, {"fields": ["email", "name", "is_active"]}),
        ("Staff", {"fields": ["is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Times", {"fields": ["last_login", "created_at"]}),
    ]
    list_display = ["email", "name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fixed = ["last_login", "created_at"]
        may_say = getattr(request.user, "is_superuser", False)
        return fixed if may_say else [*fixed, "is_staff", "is_superuser", "groups", "user_permissions"]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (getattr(request.user, "is_superuser", False) or not (obj and (obj.is_staff or obj.is_superuser)))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


admin.site.unregister(Group)


@admin.register(Group)
class StaffGroupAdmin(GroupAdmin):
    """Groups give rights to staff, so superusers alone may touch them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


for not_for_staff in (EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(not_for_staff)  # whose they are, people change themselves; where an identity provider is, the settings say
admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class SecondFactorAdmin(ReadOnlyPlatformAdmin):
    """Superusers take a second factor away from whoever lost it. Its secret is not shown."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


@admin.register(Demo)
class DemoAdmin(ReadOnlyTenantAdmin):
    list_display = ["person", "tenant", "state", "asked_at"]
    list_filter = ["state"]
    list_select_related = ["tenant", "person"]
    search_fields = ["person__email"]


@admin.register(Membership)
class MembershipAdmin(TenantModelAdmin):
    list_display = ["user", "role", "tenant", "created_at"]
    list_filter = ["tenant", "role"]
    list_select_related = ["tenant", "user"]
    search_fields = ["user__email"]
    autocomplete_fields = ["user"]


@admin.register(Tier)
class TierAdmin(TenantModelAdmin):
    list_display = ["name", "title", "requests_per_minute", "tokens_per_minute", "tenant"]
    search_fields = ["name", "title"]


class EndUserAdmin(TenantModelAdmin):
    """End users come into being with their first call: their ids are derived, so none is added here.

    Registered where deleting one is more than a row: in billing/admin.py.
    """

    list_display = ["external_id", "tier", "is_blocked", "tenant", "created_at"]
    list_filter = ["tenant", "tier", "is_blocked"]
    list_select_related = ["tenant", "tier"]
    search_fields = ["external_id"]
    readonly_fields = ["external_id", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyTenantAdmin):
    list_display = ["erased_at", "end_user_id", "actor", "tenant"]
    search_fields = ["end_user_id"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyTenantAdmin):
    """The database refuses any change of an entry, by whomever."""

    list_display = ["at", "tenant", "actor_name", "action", "object_type", "object_name", "door"]
    list_filter = ["tenant", "actor_kind", "door", "action"]
    search_fields = ["actor_name", "object_name", "object_id", "request_id"]


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyTenantAdmin):
    """Invitations are sent where their link is made: in the console."""

    list_display = ["email", "role", "tenant", "invited_by", "expires_at", "accepted_at", "withdrawn_at"]
    search_fields = ["email"]


@admin.register(StaffSession)
class StaffSessionAdmin(ReadOnlyTenantAdmin):
    """Sessions of our own staff in consoles of tenants. They begin at a tenant's page, with a reason."""

    list_display = ["user", "tenant", "reason", "started_at", "expires_at", "ended_at"]
    list_select_related = ["tenant", "user"]


@admin.register(ApiKey)
class ApiKeyAdmin(TenantModelAdmin):
    """Keys are made by their tenants, for the secret is shown once. Staff may rename, limit and revoke them."""

    list_display = ["name", "prefix", "last4", "tenant", "expires_at", "revoked_at", "last_used_at"]
    search_fields = ["name", "prefix"]
    fields = [
        "name", "requests_per_minute", "tokens_per_minute", "prefix", "last4", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at",
    ]  # fmt: skip
    readonly_fields = ["prefix", "last4", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        now = timezone.now()
        for key in keys:
            revoke_key(key=key, now=now)
        self.message_user(request, "Revoked. They are refused from now on.")
