"""From the console's URL to the tenant and the person's role in it."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase

from tenants.models import Membership
from tenants.scoping import platform_scope, tenant_scope


class ConsoleTenantMiddleware:
    """Runs each view under /o/<tenant>/ in that tenant's scope, for its members alone; anybody else gets 404."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if "tenant_slug" not in kwargs or not request.user.is_authenticated:
            return None
        memberships = memberships_of(request.user.pk)
        membership = next((one for one in memberships if one.tenant.slug == kwargs["tenant_slug"]), None)
        if membership is None:
            raise Http404
        request.membership, request.memberships = membership, memberships  # type: ignore[attr-defined]
        with tenant_scope(membership.tenant_id):
            response = view(request, *args, **kwargs)
            if hasattr(response, "render"):
                response = response.render()
            return response


def memberships_of(user_id: Any) -> list[Membership]:
    """Return where a person is a member, with the tenants, by name."""
    with platform_scope():
        return list(Membership.objects.select_related("tenant").filter(user=user_id, tenant__is_active=True).order_by("tenant__slug"))
