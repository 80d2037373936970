"""The id under which a request is found again: the caller's own where it is sane, else a new one."""

import re
from typing import Any

from tenants.scoping import uuid7

SANE_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{8,128}")


def request_id_of(request: Any) -> str:
    """Return the request's id; asked again it is the same. `request` may be None."""
    if request is None:
        return uuid7().hex
    request = getattr(request, "_request", request)  # DRF wraps Django's
    known: str | None = getattr(request, "cascadeflow_request_id", None)
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = given if SANE_TOKEN.fullmatch(given) else uuid7().hex
        request.cascadeflow_request_id = known
    return known
