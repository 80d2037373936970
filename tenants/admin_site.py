"""The staff admin: our own people, across all tenants. Registers nothing itself, since Django makes the site at the first registration."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from tenants.actors import Door
from tenants.audit import acting, person_acting
from tenants.proof import has_second_factor
from tenants.scoping import TenantOwnedModel, platform_scope

View = Callable[..., HttpResponseBase]
FACTOR_FIRST = "Staff needs a second factor here. Set one up, and you are in."


def tenant_named(request: HttpRequest, *, by: str = "tenant") -> UUID | None:
    """Return the tenant that the address names, or None."""
    try:
        return UUID(request.GET.get(by, ""))
    except ValueError:
        return None


def _operation(request: HttpRequest) -> str:
    return getattr(request.resolver_match, "url_name", None) or ""


class TenantAutocomplete(AutocompleteJsonView):
    """Suggests rows of the tenant that the form is about, and none where no tenant is named."""

    def get_queryset(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset()
        return rows.filter(tenant_id=tenant_named(self.request)) if issubclass(rows.model, TenantOwnedModel) else rows


class PlatformAdminSite(AdminSite):
    """Runs every view behind the staff check in the scope of the platform, which shows the rows of all tenants."""

    site_header = site_title = "CascadeFlow staff"
    index_title = "Platform"

    def admin_view(self, view: View, cacheable: bool = False) -> View:  # type: ignore[override]  # noqa: FBT001, FBT002
        def in_scope(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if settings.STAFF_SECOND_FACTOR and not has_second_factor(request.user):
                messages.info(request, FACTOR_FIRST)
                return redirect("mfa_index")
            with acting(person_acting(request, door=Door.STAFF_ADMIN, operation=_operation(request))), platform_scope():
                response = view(request, *args, **kwargs)
                return response.render() if isinstance(response, SimpleTemplateResponse) else response

        return super().admin_view(in_scope, cacheable)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:  # type: ignore[override]
        """There is one door, which asks for the second factor too. Who is logged in and no staff is told so."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]
        return TenantAutocomplete.as_view(admin_site=self)(request)
