"""What a key may do over REST. Deny by default: a view that declares no scopes answers nobody."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants.authentication import caller_of
from tenants.models import Scope

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which reads the settings that name this module


class ScopePermission(BasePermission):
    """The view says `required_scopes = {"read": Scope.READ, "write": Scope.ADMIN}`; the key must have the one of the method."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        required: dict[str, str] = getattr(view, "required_scopes", {})
        needed = required.get("read" if request.method in SAFE_METHODS else "write")
        self.message = f"This API key may not do this: it lacks the scope '{needed}'. Use a key that has it."
        return needed is not None and request.auth is not None and needed in caller_of(request).scopes


MANAGEMENT = {"read": Scope.READ, "write": Scope.ADMIN}
CALLS = {"read": Scope.INVOKE, "write": Scope.INVOKE}
