"""What may leave of spans that others make (Django, Celery, httpx): an allow-list. Addresses, headers, bodies and the words of exceptions
are not on it, whatever an instrumentation, or an environment variable that it follows, would record."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import Status

__all__ = ["OUR_SCOPE", "scrubbed"]

OUR_SCOPE = "cascadeflow"
ALLOWED = frozenset({
    "http.request.method", "http.route", "http.response.status_code", "url.scheme", "network.protocol.version", "error.type",
    "celery.action", "celery.state", "celery.task_name", "celery.retries", "messaging.destination", "messaging.operation",
})  # fmt: skip
ALLOWED_OF_CLIENTS = ALLOWED | {"server.address", "server.port"}
"""Whom we called. Of a request that we got, they are what its sender wrote into the Host header."""
NAMED_AFTER = ("http.route", "celery.task_name")


def scrubbed(span: ReadableSpan) -> ReadableSpan:
    """Return the span as it may leave: ours as it is, any other with what is allowed of it."""
    if span.instrumentation_scope is not None and span.instrumentation_scope.name == OUR_SCOPE:
        return span
    allowed = ALLOWED_OF_CLIENTS if span.kind is SpanKind.CLIENT else ALLOWED
    given = span.attributes or {}
    attributes = {name: value for name, value in given.items() if name in allowed}
    raised = next((event.attributes.get("exception.type") for event in span.events if event.attributes), None)
    if raised is not None:
        attributes.setdefault("error.type", raised)
    return ReadableSpan(
        name=_name(attributes), context=span.context, parent=span.parent, resource=span.resource, attributes=attributes, kind=span.kind,
        status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _name(attributes: Mapping[str, Any]) -> str:
    """The names that instrumentations give may hold an address."""
    what = next((str(attributes[name]) for name in NAMED_AFTER if name in attributes), "")
    doing = str(attributes.get("http.request.method") or attributes.get("celery.action") or "")
    return " ".join(part for part in (doing, what) if part) or "span"
