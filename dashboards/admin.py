"""The staff admin of what people keep in the console."""

from django.contrib import admin

from dashboards.models import SavedView
from tenants.admin import TenantModelAdmin


@admin.register(SavedView)
class SavedViewAdmin(TenantModelAdmin):
    list_display = ["name", "tenant", "page", "owner", "is_shared", "is_home", "created_at"]
    list_filter = ["tenant", "page", "is_shared"]
