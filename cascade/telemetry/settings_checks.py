"""What is wrong with the settings of telemetry, in words: a wrong one would otherwise show by silence alone."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings

from cascade.telemetry.process import collector_urls

__all__ = ["INSTRUMENTED", "SHORTEST_TOKEN", "problems"]

INSTRUMENTED = ("django", "celery", "httpx")
SHORTEST_TOKEN = 16


def problems() -> Iterator[tuple[str, str]]:
    """Yield each problem, and what to do about it."""
    urls = [url for url in collector_urls() if url]
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield "The collector's address in OTEL_EXPORTER_OTLP_ENDPOINT is no http(s) URL.", "Name it as in http://127.0.0.1:4318"
    if urls and settings.OTEL_EXPORTER_OTLP_PROTOCOL != "http/protobuf":
        yield "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: no other is spoken.", "Collectors take it at port 4318; 4317 is gRPC."
    for name, said in (("OTEL_TRACES_EXPORTER", settings.OTEL_TRACES_EXPORTER), ("OTEL_METRICS_EXPORTER", settings.OTEL_METRICS_EXPORTER)):
        if said not in ("otlp", "none"):
            yield f"{name} must be otlp or none.", "Prometheus reads /metrics: set METRICS_TOKEN for it."
    unknown = sorted(set(settings.TELEMETRY_INSTRUMENT) - set(INSTRUMENTED))
    if unknown:
        yield f"TELEMETRY_INSTRUMENT names what is not known: {', '.join(unknown)}.", f"Known are {', '.join(INSTRUMENTED)}."
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < SHORTEST_TOKEN:
        yield f"METRICS_TOKEN is shorter than {SHORTEST_TOKEN} characters.", "Make one: openssl rand -hex 32"
