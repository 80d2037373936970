"""Errors in OpenAI's shape, so that the official clients raise what their users expect."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cascade.engine.errors import CascadeError, RateLimitExceeded
from cascade.refusals import SPENT, reply_to
from tenants.authentication import KeyRefused

TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 404: "not_found_error",
    405: "invalid_request_error", 408: "timeout_error", 409: "conflict_error", 413: "invalid_request_error", 415: "invalid_request_error",
    422: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip


class HttpError(Exception):
    """A reply that is an error: status, headers and body in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None, headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None, kind: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        self.error = {"message": message, "type": kind or TYPES.get(status, "api_error"), "param": param, "code": code}
        self.more = dict(more or {})

    @property
    def body(self) -> bytes:
        return msgspec.json.encode({"error": self.error, **self.more})


def http_error(failure: CascadeError | KeyRefused, *, budget_status: int = SPENT) -> HttpError:
    """Return the reply for what went wrong. `budget_status` is what the tenant wants for a budget that is spent: 402 or 429."""
    if isinstance(failure, KeyRefused):
        headers = {"www-authenticate": "Bearer"} if failure.status == 401 else {}
        return HttpError(failure.status, failure.message, code=failure.code, headers=headers)
    reply = reply_to(failure, budget_status=budget_status)
    more = {"cascadeflow": reply.facts} if reply.facts else {}
    kind = failure.kind if isinstance(failure, RateLimitExceeded) else None
    return HttpError(reply.status, failure.message, code=failure.code, param=failure.param, headers=reply.headers, more=more, kind=kind)
