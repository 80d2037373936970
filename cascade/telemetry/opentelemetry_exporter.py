"""Runs as OpenTelemetry sees them: a span for each run with one for each try at a provider, and the metrics of the table."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cascade.telemetry.facts import Facts, RefusalFacts, RunFacts, TryFacts
from cascade.telemetry.labels import MOST_SERIES
from cascade.telemetry.metrics import ATTRIBUTES, CHAT, METRICS, NUSD_PER_USD, PROVIDER_NAMES, Measure, Metric
from cascade.telemetry.scrubbing import OUR_SCOPE
from cascade.telemetry.sending import SpanSender

__all__ = ["OpenTelemetryExporter"]

NS_PER_MS = 1_000_000
RUN = "invoke_workflow"
PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetryExporter:
    """Sends traces and metrics to a collector by OTLP over HTTP; an empty address sends none of that kind.

    What else the standard variables say (OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _CERTIFICATE, _COMPRESSION, OTEL_RESOURCE_ATTRIBUTES,
    OTEL_TRACES_SAMPLER, OTEL_METRIC_EXPORT_INTERVAL and so on), OpenTelemetry's own code reads from the environment. Nothing here waits
    for the network: threads of their own do.
    """

    def __init__(self, *, traces_url: str = "", metrics_url: str = "", service_name: str = "") -> None:
        resource = _resource(service_name)
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._sender = SpanSender(OTLPSpanExporter(endpoint=traces_url)) if traces_url else None
        if self._sender is not None:
            self.tracer_provider.add_span_processor(self._sender)
        self._tracer = self.tracer_provider.get_tracer(OUR_SCOPE)
        self._readers = [_reader(metrics_url)] if metrics_url else []
        self._meter_provider = sdk.MeterProvider(resource=resource, metric_readers=self._readers, shutdown_on_exit=False)
        self._instruments = {metric: self._instrument(metric) for metric in METRICS if metric.otlp} if metrics_url else {}
        self._sums: dict[tuple[Metric, tuple[str, ...]], float] = defaultdict(float)
        self._attributes: dict[tuple[Metric, tuple[str, ...]], dict[str, str]] = {}

    def record(self, measure: Measure) -> None:
        """Add to a metric. Counters are summed here until `settle()`, for the instruments are slow."""
        metric, value, labels = measure
        if metric not in self._instruments:
            return
        if metric.kind == "counter":
            self._sums[metric, labels] += value
        else:
            instrument = self._instruments[metric]
            assert isinstance(instrument, Histogram)
            instrument.record(value, self._attributes_of(metric, labels), context=Context())

    def settle(self) -> None:
        sums, self._sums = self._sums, defaultdict(float)
        for (metric, labels), value in sums.items():
            instrument = self._instruments[metric]
            assert isinstance(instrument, Counter)
            instrument.add(value, self._attributes_of(metric, labels), context=Context())

    def follow(self, facts: Facts) -> None:
        """Make the spans of a call: its trace is the caller's own, where the call came with one."""
        if self._sender is None:
            return
        context = PROPAGATOR.extract(facts.trace, context=Context()) if facts.trace else Context()
        name = f"{RUN} {facts.preset}" if isinstance(facts, RunFacts) and facts.preset else RUN
        span = self._tracer.start_span(name, context=context, kind=SpanKind.SERVER, start_time=facts.started_ns)
        if span.is_recording():
            span.set_attributes(_without_empty(_of_call(facts)))
            if isinstance(facts, RefusalFacts) or (isinstance(facts, RunFacts) and facts.error):
                span.set_status(StatusCode.ERROR)
            if isinstance(facts, RunFacts):
                self._follow_tries(facts, span, context)
        span.end(facts.started_ns + int(facts.latency_ms * NS_PER_MS))

    def take_lost(self) -> int:
        """Return how many spans were thrown away since this was last asked."""
        return self._sender.take_lost() if self._sender is not None else 0

    def close(self, *, seconds: float) -> None:
        """Send what waits, but take no longer than that for each of traces and metrics. Nothing can be told afterwards."""
        self.settle()
        if self._sender is not None:
            self._sender.close(seconds=seconds)
        for reader in self._readers:
            reader.shutdown(timeout_millis=seconds * 1000)

    def _follow_tries(self, run: RunFacts, parent: Span, context: Context) -> None:
        within = set_span_in_context(parent, context)
        for one in run.tries:
            started_ns = run.started_ns + int(one.started_ms * NS_PER_MS)
            span = self._tracer.start_span(
                f"{CHAT} {one.request_model}", context=within, kind=SpanKind.CLIENT, start_time=started_ns,
                attributes=_without_empty(_of_try(one, run)),
            )
            if one.outcome != "answered":
                span.set_status(StatusCode.ERROR)
            span.end(started_ns + int(one.latency_ms * NS_PER_MS))

    def _instrument(self, metric: Metric) -> Counter | Histogram:
        meter = self._meter_provider.get_meter(OUR_SCOPE)
        if metric.kind == "counter":
            return meter.create_counter(metric.otlp, unit=metric.unit, description=metric.help)
        return meter.create_histogram(metric.otlp, unit=metric.unit, description=metric.help, explicit_bucket_boundaries_advisory=metric.buckets)

    def _attributes_of(self, metric: Metric, labels: tuple[str, ...]) -> dict[str, str]:
        found = self._attributes.get((metric, labels))
        if found is None:
            names = metric.labels + metric.more_labels
            found = {ATTRIBUTES[name]: value for name, value in zip(names, labels, strict=True) if value}
            self._attributes[metric, labels] = found
        return found


def _reader(metrics_url: str) -> PeriodicExportingMetricReader:
    return PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=metrics_url), cardinality_limits={sdk.Counter: 2 * MOST_SERIES, sdk.Histogram: 2 * MOST_SERIES}
    )


def _resource(service_name: str) -> Resource:
    """What all that is sent has in common. Each process is an instance: their counts are added up, not mixed up."""
    named = Resource.create({"service.name": service_name} if service_name else {})
    if str(named.attributes.get("service.name", "")).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": OUR_SCOPE}))
    return Resource({"service.instance.id": str(uuid4())}).merge(named)


def _of_call(facts: Facts) -> Mapping[str, Any]:
    common = {
        "gen_ai.operation.name": RUN, "cascadeflow.tenant": facts.tenant, "cascadeflow.tier": facts.tier,
        "enduser.pseudo.id": str(facts.end_user) if facts.end_user else None,
    }  # fmt: skip
    if isinstance(facts, RefusalFacts):
        return {**common, "error.type": facts.reason, "http.response.status_code": facts.status}
    assert isinstance(facts, RunFacts)
    return {
        **common, "error.type": facts.error, "cascadeflow.run.id": str(facts.run_id), "cascadeflow.shadow_of": _text(facts.shadow_of),
        "cascadeflow.domain": facts.domain, "cascadeflow.complexity": facts.complexity, "cascadeflow.preset": facts.preset,
        "cascadeflow.policy_version": facts.policy_version, "cascadeflow.arm": facts.arm, "cascadeflow.outcome": facts.outcome,
        "cascadeflow.model": facts.model_used, "cascadeflow.draft.accepted": facts.draft_accepted, "cascadeflow.escalated": facts.escalated,
        "cascadeflow.cost_usd": facts.cost_nusd / NUSD_PER_USD, "cascadeflow.hold_ms": facts.hold_ms, "cascadeflow.settle_ms": facts.settle_ms,
        "cascadeflow.time_to_first_token_ms": facts.first_token_ms,
    }  # fmt: skip


def _of_try(one: TryFacts, run: RunFacts) -> Mapping[str, Any]:
    return {
        "gen_ai.operation.name": CHAT, "gen_ai.provider.name": PROVIDER_NAMES.get(one.provider_kind, one.provider_kind),
        "gen_ai.request.model": one.request_model, "gen_ai.response.model": one.response_model,
        "gen_ai.usage.input_tokens": one.input_tokens or None, "gen_ai.usage.output_tokens": one.output_tokens or None,
        "gen_ai.usage.cache_read.input_tokens": one.cached_input_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": one.reasoning_tokens or None,
        "error.type": None if one.outcome == "answered" else one.outcome,
        "cascadeflow.tenant": run.tenant, "cascadeflow.tier": run.tier, "cascadeflow.domain": run.domain, "cascadeflow.preset": run.preset,
        "cascadeflow.provider": one.provider, "cascadeflow.model": one.model, "cascadeflow.step": one.step, "cascadeflow.step.kind": one.kind,
        "cascadeflow.step.status": one.status, "cascadeflow.quality.score": one.score, "cascadeflow.quality.threshold": one.threshold,
        "cascadeflow.booked": one.booked, "cascadeflow.cost_usd": one.cost_nusd / NUSD_PER_USD,
    }  # fmt: skip


def _without_empty(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def _text(value: Any) -> str:
    return "" if value is None else str(value)
