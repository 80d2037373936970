"""A collector of OpenTelemetry for tests, written from the protocol (OTLP over HTTP, protobuf) and not from our own code; and a reader of
Prometheus' page."""

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from prometheus_client.parser import text_string_to_metric_families

from tests.live import Quiet, listening, wait_until

KINDS = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse), "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}  # fmt: skip


@dataclass
class Span:
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    is_error: bool
    scope: str
    resource: dict[str, Any]


@dataclass
class Point:
    """One series of a metric as it was sent last."""

    metric: str
    unit: str
    attributes: dict[str, Any]
    value: float
    """Of a histogram its sum."""
    count: int
    bounds: tuple[float, ...]
    instance: str
    is_delta: bool


@dataclass
class Collector:
    """Answers with `status`, after waiting for `gate` where a test gives one, and keeps what it was sent."""

    url: str = ""
    status: int = 200
    gate: threading.Event | None = None
    hanging: int = 0
    """How many requests came to the gate."""
    refused: int = 0
    spans: list[Span] = field(default_factory=list)
    points: dict[Any, Point] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def of_tenant(self, slug: str) -> list[Span]:
        return [span for span in list(self.spans) if span.attributes.get("cascadeflow.tenant") == slug]

    def wait_for_run(self, run_id: str) -> tuple[Span, list[Span]]:
        """The span of a run and those of its tries, in order."""
        wait_until(lambda: any(span.attributes.get("cascadeflow.run.id") == run_id for span in list(self.spans)), what=lambda: str(self.wrong))
        (run,) = [span for span in list(self.spans) if span.attributes.get("cascadeflow.run.id") == run_id]
        return run, sorted((span for span in list(self.spans) if span.parent_id == run.span_id), key=lambda span: span.start_ns)

    def total(self, metric: str, **attributes: Any) -> float:
        """The sum of a metric's series that have these attributes (dots as double underscores)."""
        return sum(point.value for point in self.series(metric, **attributes))

    def series(self, metric: str, **attributes: Any) -> list[Point]:
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        return [
            point for point in list(self.points.values())
            if point.metric == metric and wanted.items() <= point.attributes.items()
        ]  # fmt: skip

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.headers.append(headers)
        if headers.get("content-type") != "application/x-protobuf":
            self.wrong.append(f"{path} came as {headers.get('content-type')}")
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies.append(body)
        request = KINDS[path][0]()
        request.ParseFromString(body)
        if path == "/v1/traces":
            self._take_spans(request)
        else:
            self._take_metrics(request)

    def _take_spans(self, request: Any) -> None:
        for of_resource in request.resource_spans:
            resource = values(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                for said in of_scope.spans:
                    self.spans.append(Span(
                        said.name, SpanMessage.SpanKind.Name(said.kind), said.trace_id.hex(), said.span_id.hex(), said.parent_span_id.hex(),
                        said.start_time_unix_nano, said.end_time_unix_nano, values(said.attributes), said.status.code == 2, of_scope.scope.name,
                        resource,
                    ))  # fmt: skip

    def _take_metrics(self, request: Any) -> None:
        for of_resource in request.resource_metrics:
            instance = values(of_resource.resource.attributes)["service.instance.id"]
            for metric in (metric for of_scope in of_resource.scope_metrics for metric in of_scope.metrics):
                kind = metric.WhichOneof("data")
                is_delta = getattr(metric, kind).aggregation_temporality == 1
                for point in getattr(metric, kind).data_points:
                    attributes = values(point.attributes)
                    value = point.sum if kind == "histogram" else point.as_double or point.as_int
                    bounds = tuple(point.explicit_bounds) if kind == "histogram" else ()
                    count = point.count if kind == "histogram" else 0
                    key = (instance, metric.name, tuple(sorted((name, str(said)) for name, said in attributes.items())))
                    self.points[key] = Point(metric.name, metric.unit, attributes, value, count, bounds, instance, is_delta)


def values(attributes: Any) -> dict[str, Any]:
    def value_of(one: KeyValue) -> Any:
        return getattr(one.value, one.value.WhichOneof("value") or "string_value")

    return {one.key: value_of(one) for one in attributes}


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    kept = Collector()

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if kept.gate is not None:
                kept.hanging += 1
                kept.gate.wait(120)
            kept.refused += kept.status != 200
            if kept.status == 200:
                kept.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            reply = KINDS[self.path][1]().SerializeToString()
            self.send_response(kept.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

    with listening(Handler) as address:
        kept.url = address
        yield kept
        if kept.gate is not None:
            kept.gate.set()


TOKEN = "a-token-for-the-scraper-of-tests"


class Page:
    """Prometheus' page, read once."""

    def __init__(self, url: str, *, token: str = TOKEN) -> None:
        self.answer = httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {token}"}, timeout=20)
        assert self.answer.status_code == 200, self.answer.text
        self.text = self.answer.text
        self.families = list(text_string_to_metric_families(self.text))

    @property
    def labels(self) -> dict[str, set[str]]:
        """The labels of each sample's name."""
        found: dict[str, set[str]] = {}
        for family in self.families:
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        return found

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of the name that have these labels."""
        return sum(
            sample.value for family in self.families for sample in family.samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def has(self, name: str, **labels: str) -> bool:
        return any(
            sample.name == name and labels.items() <= sample.labels.items() for family in self.families for sample in family.samples
        )
