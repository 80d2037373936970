"""REST for presets: five are built in and only read; a tenant adds its own, drafts and publishes versions, and rolls them out."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cascade.api.preset_base import built_in
from cascade.api.preset_rollouts import RolloutActions
from cascade.api.preset_versions import DraftActions, VersionActions
from cascade.engine.presets import BUILT_IN_PRESETS
from tenants.permissions import MANAGEMENT


class PresetViewSet(VersionActions, DraftActions, RolloutActions):
    """Whole ways of answering, by name. The built-in ones come first in the list and cannot be changed."""

    required_scopes = MANAGEMENT

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().list(request, *args, **kwargs)
        if "cursor" not in request.query_params:
            response.data["results"][:0] = self.get_serializer([built_in(preset) for preset in BUILT_IN_PRESETS.values()], many=True).data
        return response
