"""Spans that others make: Django's requests, Celery's tasks, calls by httpx. What may leave of them is in scrubbing.py."""

import os
from collections.abc import Sequence

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cascade.telemetry.context import follow_spans_of_this_process
from cascade.telemetry.opentelemetry_exporter import OpenTelemetryExporter

__all__ = ["instrument"]

NOT_FOLLOWED = "static/.*,favicon.ico"


def instrument(names: Sequence[str], exporter: OpenTelemetryExporter) -> None:
    """Switch instrumentations on, before Django reads its middleware. Names that are not known are left out: the system checks tell."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # the stable names of HTTP
    told = {"tracer_provider": exporter.tracer_provider, "meter_provider": NoOpMeterProvider()}
    if "django" in names:
        from opentelemetry.instrumentation.django import DjangoInstrumentor

        DjangoInstrumentor().instrument(**told, excluded_urls=NOT_FOLLOWED)
        follow_spans_of_this_process(_span_that_is_open)
    if "celery" in names:
        from opentelemetry.instrumentation.celery import CeleryInstrumentor

        CeleryInstrumentor().instrument(**told)
    if "httpx" in names:
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

        HTTPXClientInstrumentor().instrument(**told)


def _span_that_is_open() -> dict[str, str]:
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers
