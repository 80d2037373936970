"""What every REST view and serializer of tenant-owned rows is made of: one tenant, one transaction, nothing taken on trust."""

import math
from contextlib import ExitStack
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, connection, models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from tenants.actors import Actor, ActorKind, Door, masked_ip
from tenants.api.filtering import StrictFilters
from tenants.audit import acting
from tenants.authentication import caller_of
from tenants.request_ids import request_id_of
from tenants.scoping import TenantOwnedModel, current_tenant_id, tenant_scope

Row = TypeVar("Row", bound=models.Model)


class ScopedViewMixin(APIView):
    """Runs the request, once it is authenticated, in the scope and the transaction of the key's tenant, as that key for the audit log.

    An error rolls all of it back. Constraints that the database checks at the end are checked while there is still an
    answer to give.
    """

    metadata_class = None
    _in_scope = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self._scope:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._scope.enter_context(acting(self._actor(request)))
        self._scope.enter_context(tenant_scope(caller_of(request).tenant_id))
        self._in_scope = True

    def _actor(self, request: Request) -> Actor:
        return Actor(
            kind=ActorKind.API_KEY, door=Door.API, id=caller_of(request).key_id, request_id=request_id_of(request),
            operation=f"{getattr(self, 'basename', '')} {getattr(self, 'action', '')}".strip(), ip=masked_ip(request.META.get("REMOTE_ADDR")),
        )  # fmt: skip

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if self._in_scope and request.method not in SAFE_METHODS and not getattr(response, "exception", False):
            try:
                connection.check_constraints()
            except IntegrityError as broken:
                response = self.handle_exception(broken)
        return super().finalize_response(request, response, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        if self._in_scope:
            transaction.set_rollback(True)
        return super().handle_exception(exc)


class TenantModelViewSet(ScopedViewMixin, ModelViewSet[Row]):
    """The tenant's rows of one model. Somebody else's id and one that was never given answer alike: 404."""

    http_method_names = ["get", "post", "patch", "delete", "head"]
    filter_backends = [StrictFilters]
    page_ordering: str | tuple[str, ...] = "-id"

    def get_queryset(self) -> QuerySet[Row]:
        """Asks the model's scoped manager at each request: a class attribute `queryset` would be made outside any scope."""
        model: type[Row] = self.get_serializer_class().Meta.model  # type: ignore[attr-defined]
        return model._default_manager.none() if self.is_described else model._default_manager.all()

    @property
    def is_described(self) -> bool:
        """Is drf-spectacular looking, without a request?"""
        return bool(getattr(self, "swagger_fake_view", False))


class TenantRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """Points to a row of the scope's own tenant, even where the scope's manager would show more."""

    default_error_messages = {
        "does_not_exist": "There is nothing of yours with the id {pk_value}. Send the id of one that the list shows.",
        "incorrect_type": "Send an id as text, not {data_type}.",
    }

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        assert rows is not None
        return rows.filter(tenant_id=current_tenant_id()) if issubclass(rows.model, TenantOwnedModel) else rows

    def to_internal_value(self, data: Any) -> Any:
        try:
            UUID(str(data))
        except ValueError:
            self.fail("does_not_exist", pk_value=repr(str(data)[:40]))
        return super().to_internal_value(data)


class FiniteFloatField(serializers.FloatField):
    """NaN passes every comparison with a limit, so limits alone do not keep it out."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        number = super().to_internal_value(data)
        if not math.isfinite(number):
            self.fail("invalid")
        return number


class TenantModelSerializer(serializers.ModelSerializer[Row]):
    """Takes the fields it names and no other, and points to rows of its own tenant alone.

    `Meta.create_only` names the fields that may be said once, at creation.
    """

    serializer_related_field = TenantRelatedField
    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, models.FloatField: FiniteFloatField}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            refused = self._refused(data)
            if refused:
                raise serializers.ValidationError(refused)
        return super().to_internal_value(data)

    def _refused(self, data: dict[str, Any]) -> dict[str, str]:
        writable = {name for name, field in self.fields.items() if not field.read_only}
        fixed = set(getattr(self.Meta, "create_only", ())) if self.instance is not None else set()
        return {name[:100]: self._why(name, writable - fixed) for name in data if name not in writable or name in fixed}

    def _why(self, name: str, writable: set[str]) -> str:
        if name in getattr(self.Meta, "create_only", ()):
            return "This cannot be changed later. Make a new one with the value that you want."
        known = ", ".join(sorted(writable))
        why = "This is set by us: leave it out" if name in self.fields else "There is no such field"
        return f"{why}. You can set: {known}."
