"""The door to OpenTelemetry: runs as traces and metrics, to a collector."""

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from cascade.telemetry.facts import Facts
from cascade.telemetry.metric_data import metrics_data
from cascade.telemetry.metrics import Measure
from cascade.telemetry.run_spans import RunSpans
from cascade.telemetry.scrubbing import OUR_SCOPE
from cascade.telemetry.sending import MetricSender, SpanSender
from cascade.telemetry.span_messages import QuickSpanExporter
from cascade.telemetry.tallies import Tallied, Tally

__all__ = ["OpenTelemetryExporter"]


class OpenTelemetryExporter:
    """Sends traces and metrics to a collector by OTLP over HTTP; an empty address sends none of that kind.

    What else the standard variables say (OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _CERTIFICATE, _COMPRESSION, OTEL_RESOURCE_ATTRIBUTES,
    OTEL_TRACES_SAMPLER and so on), OpenTelemetry's own code reads from the environment. Nothing here waits for the network: threads do.
    """

    def __init__(
        self, *, traces_url: str = "", metrics_url: str = "", service_name: str = "", metrics_every_s: float = 60.0, deltas: bool = False
    ) -> None:
        self._resource, self._deltas = _resource(service_name), deltas
        self.tracer_provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._run_spans, self._tally = RunSpans(self.tracer_provider), Tally()
        self._spans = SpanSender(QuickSpanExporter(endpoint=traces_url)) if traces_url else None
        if self._spans is not None:
            self.tracer_provider.add_span_processor(self._spans)
        self._metrics = (
            MetricSender(OTLPMetricExporter(endpoint=metrics_url), self._tally, every_s=metrics_every_s, deltas=deltas, data_of=self._data_of)
            if metrics_url
            else None
        )

    def record(self, measure: Measure) -> None:
        """Add to a metric."""
        if self._metrics is not None and measure.metric.otlp:
            self._tally.add(measure)

    def follow(self, facts: Facts) -> None:
        """Make the spans of a call."""
        if self._spans is not None:
            for span in self._run_spans.of(facts):
                self._spans.on_end(span)

    def take_lost(self) -> int:
        """Return how many spans were thrown away since this was last asked."""
        return self._spans.take_lost() if self._spans is not None else 0

    def close(self, *, seconds: float) -> None:
        """Send what waits, but take no longer than that for each of traces and metrics. Nothing can be told afterwards."""
        for sender in (self._spans, self._metrics):
            if sender is not None:
                sender.close(seconds=seconds)

    def _data_of(self, seen: Tallied, since_ns: int, now_ns: int) -> MetricsData:
        return metrics_data(seen, resource=self._resource, since_ns=since_ns, now_ns=now_ns, deltas=self._deltas)


def _resource(service_name: str) -> Resource:
    """What all that is sent has in common. Each process is an instance of its own (service.instance.id), so that counts add up."""
    named = Resource.create({"service.name": service_name} if service_name else {})
    if str(named.attributes.get("service.name", "")).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": OUR_SCOPE}))
    return named
