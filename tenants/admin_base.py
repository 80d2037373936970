"""What every admin of tenant-owned rows is made of: a form is about one tenant and offers that tenant's rows alone."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.widgets import AutocompleteSelect, ForeignKeyRawIdWidget, RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from tenants.admin_site import tenant_named
from tenants.models import Tenant
from tenants.scoping import TenantOwnedModel

LIST_TENANT = "tenant__id__exact"
"""The parameter by which a list is filtered to one tenant."""


def is_owned(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, TenantOwnedModel)


class TenantModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """Gives a new row its tenant before it is validated, so that names that are taken are told here, not by the database."""

    tenant_id: UUID | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.tenant_id is None:
            self.instance.tenant_id = self.tenant_id

    def _get_validation_exclusions(self) -> set[str]:
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions - {"tenant"}


class TenantAutocompleteSelect(AutocompleteSelect):
    tenant_id: UUID | None = None

    def get_url(self) -> str:
        return f"{super().get_url()}?tenant={self.tenant_id or ''}"


class TenantRawIdWidget(ForeignKeyRawIdWidget):
    tenant_id: UUID | None = None

    def base_url_parameters(self) -> dict[str, str]:
        return {**super().base_url_parameters(), LIST_TENANT: str(self.tenant_id or "")}


class TenantRelatedFilter(admin.RelatedFieldListFilter):
    """Offers rows of the tenant that the list is filtered to; none while it shows several tenants."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        choices: list[Any] = field.get_choices(
            include_blank=False, ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to={"tenant_id": tenant_named(request, by=LIST_TENANT)},
        )
        return choices


class TenantModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The admin of a tenant-owned model. The tenant is chosen before the form is shown, and never changes."""

    form = TenantModelForm
    list_filter: ClassVar[Any] = ["tenant"]
    list_select_related: ClassVar[Any] = ["tenant"]
    show_full_result_count = False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = tenant_named(request)
        if chosen is None or not Tenant.objects.filter(pk=chosen).exists():
            context = {**self.admin_site.each_context(request), "title": f"Add {self.opts.verbose_name}", "opts": self.opts}
            context.update(tenants=Tenant.objects.order_by("name"), kept=[item for item in request.GET.items() if item[0] != "tenant"])
            return TemplateResponse(request, "admin/choose_tenant.html", context)
        return super().add_view(request, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        request.form_tenant_id = obj.tenant_id if obj else tenant_named(request)  # type: ignore[attr-defined]
        form = super().get_form(request, obj, change, **kwargs)
        form.tenant_id = request.form_tenant_id  # type: ignore[attr-defined]
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*super().get_readonly_fields(request, obj), "tenant"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["tenant", *(field for field in super().get_fields(request, obj) if field != "tenant")]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [self._kept_to_tenant(item) for item in super().get_list_filter(request)]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if is_owned(db_field.related_model):
            tenant_id = getattr(request, "form_tenant_id", None)  # None, as in lists that are edited in place: nothing is offered
            kwargs["queryset"] = db_field.related_model._default_manager.filter(tenant_id=tenant_id)
            widget = self._widget(db_field, request)
            if widget is not None:
                widget.tenant_id = tenant_id
                kwargs["widget"] = widget
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if is_owned(db_field.related_model):
            kwargs["queryset"] = db_field.related_model._default_manager.filter(tenant_id=getattr(request, "form_tenant_id", None))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper) and is_owned(db_field.related_model):
            field.widget.can_add_related = False  # its window would ask for a tenant, and could be told another
        return field

    def _widget(self, db_field: Any, request: HttpRequest) -> TenantAutocompleteSelect | TenantRawIdWidget | None:
        if db_field.name in self.get_autocomplete_fields(request):
            return TenantAutocompleteSelect(db_field, self.admin_site)
        return TenantRawIdWidget(db_field.remote_field, self.admin_site) if db_field.name in self.raw_id_fields else None

    def _kept_to_tenant(self, item: Any) -> Any:
        path = item[0] if isinstance(item, tuple | list) else item
        if not isinstance(path, str) or not is_owned(get_fields_from_path(self.model, path)[-1].related_model):
            return item
        return (path, TenantRelatedFilter)


class LookOnly:
    """For rows that people look at and never change: money, traces, published versions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyTenantAdmin(LookOnly, TenantModelAdmin):
    """Looked at only, and tenant-owned."""


class ReadOnlyPlatformAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Looked at only, and of the whole platform: rows that commands and processes write."""

    show_full_result_count = False
