"""REST for one end user by the tenant's own name, also before their first call."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenants import services
from tenants.api.base import ScopedViewMixin
from tenants.api.serializers import EndUserSerializer
from tenants.authentication import caller_of
from tenants.end_users import check_name, end_user_id
from tenants.models import EndUser
from tenants.permissions import MANAGEMENT

NAME = OpenApiParameter(
    "external_id", str, required=True,
    description="Your own name for them, as your calls send it in `user`. Percent-encode it: in an address a bare + is a space.",
)


class EndUserByNameViewSet(ScopedViewMixin, GenericViewSet[EndUser]):
    """One end user by your own name for them."""

    required_scopes = MANAGEMENT
    serializer_class = EndUserSerializer
    pagination_class = None
    http_method_names = ["get", "put", "head"]

    def get_queryset(self) -> QuerySet[EndUser]:
        return EndUser.objects.select_related("tier")

    @extend_schema(parameters=[NAME], filters=False)
    @action(detail=False, methods=["get"])
    def lookup(self, request: Request) -> Response:
        """Find one end user by your own name for them."""
        identity = end_user_id(salt=caller_of(request).end_user_salt, external_id=_name_of(request))
        return Response(self.get_serializer(get_object_or_404(self.get_queryset(), pk=identity)).data)

    @extend_schema(
        parameters=[NAME], filters=False, request=EndUserSerializer,
        responses={200: EndUserSerializer, 201: OpenApiResponse(EndUserSerializer, description="The end user was not known before.")},
    )
    @lookup.mapping.put
    def set_by_name(self, request: Request) -> Response:
        """Set the tier of an end user, or block them, also before their first call. `tier` is the name of a tier, or null for none.

        An end user who is not known yet is created. What the body leaves out stays as it is, so setting a tier does not lift a block; of a new
        end user it is no tier and no block. Sending it again changes nothing. Calls meet the change within a second. The limit of new end users
        an hour is against made-up names in calls and does not count here: whoever has a key of the scope `admin` could raise it as well.
        """
        name = _name_of(request)
        wanted = self.get_serializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        user, is_new = services.set_end_user(external_id=name, salt=caller_of(request).end_user_salt, changes=wanted.validated_data)
        return Response(self.get_serializer(user).data, status=201 if is_new else 200)


def _name_of(request: Request) -> str:
    """Return the name in the address. Raises ValidationError for one that no call could carry, and where there is not exactly one."""
    names: list[Any] = request.query_params.getlist("external_id")
    try:
        if len(names) > 1:
            raise ValueError("This is given twice. Send it once: one end user at a time.")
        name: str = names[0] if names else ""
        check_name(name)
    except ValueError as wrong:
        raise ValidationError({"external_id": str(wrong)}) from wrong
    return name
