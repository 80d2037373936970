"""What is sent is what OpenTelemetry's own code would send; and counts add up, told whole or piece by piece."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cascade.telemetry.metrics import CALL_SECONDS, COST, RUNS, Measure
from cascade.telemetry.opentelemetry_exporter import OpenTelemetryExporter
from cascade.telemetry.run_spans import RunSpans
from cascade.telemetry.scrubbing import scrubbed
from cascade.telemetry.span_messages import request_of
from cascade.telemetry.tallies import Tally
from tests.cascade.telemetry.test_queue import REFUSED, RUN, TRY
from tests.collector import Collector, collecting
from tests.live import wait_until

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=1,other=2"}
FAILED = msgspec.structs.replace(TRY, outcome="provider_failed", status="failed", booked="voided", cost_nusd=0, score=0.25, threshold=0.5)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


def ours() -> list[ReadableSpan]:
    spans = RunSpans(TracerProvider())
    told = [REFUSED, RUN, msgspec.structs.replace(RUN, trace=TRACE, error="provider_failed", draft_accepted=False, tries=(FAILED, TRY))]
    return [span for facts in told for span in spans.of(facts)]


def others() -> list[ReadableSpan]:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("opentelemetry.instrumentation.django", "0.66b2")
    with tracer.start_as_current_span("GET /CANARY", kind=SpanKind.SERVER) as outer:
        outer.set_attributes({"http.request.method": "GET", "http.route": "api/", "http.response.status_code": 200, "url.query": "CANARY"})
        outer.set_status(StatusCode.OK)
        for kind in (SpanKind.INTERNAL, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT):
            with tracer.start_as_current_span("CANARY", kind=kind, attributes={"celery.retries": 2, "server.port": 443}):
                pass
    return [scrubbed(span) for span in kept.get_finished_spans()]


def plain(request: ExportTraceServiceRequest) -> Any:
    return MessageToDict(request)["resourceSpans"]


@pytest.mark.parametrize("made", [ours, others])
def test_our_way_to_write_spans_down_writes_what_opentelemetrys_own_does(made: Any) -> None:
    spans = made()
    assert len(spans) == 6 if made is ours else 5
    assert plain(request_of(spans)) == plain(encode_spans(spans))


def test_a_span_of_others_leaves_without_its_name_and_what_is_not_allowed() -> None:
    spans = others()
    assert {span.name for span in spans} == {"GET api/", "span"}
    assert not any("CANARY" in str(span.to_json()) for span in spans)
    assert [span.attributes["server.port"] for span in spans if span.attributes and "server.port" in span.attributes] == [443]


class TestTally:
    COUNTED, TIMED = ("acme", "", "", "", "served", ""), ("acme", "up", "cheap", "chat", "openai", "theirs", "")

    def test_values_fall_into_the_bucket_whose_bound_they_do_not_pass(self) -> None:
        tally = Tally()
        for seconds in (0.001, 0.01, 0.0100001, 81.92, 500.0):
            tally.add(Measure(CALL_SECONDS, seconds, self.TIMED))
        spread = tally.seen().spreads[CALL_SECONDS, self.TIMED]
        assert (spread.counts[:2], spread.counts[-2:]) == ([2, 1], [1, 1])
        assert sum(spread.counts) == 5
        assert (spread.least, spread.most) == (0.001, 500.0)
        assert spread.total == pytest.approx(0.001 + 0.01 + 0.0100001 + 81.92 + 500)

    def test_what_was_seen_and_taken_away_is_told_once_and_what_came_meanwhile_later(self) -> None:
        tally = Tally()
        tally.add(Measure(RUNS, 2, self.COUNTED))
        tally.add(Measure(CALL_SECONDS, 1.0, self.TIMED))
        seen = tally.seen()
        tally.add(Measure(RUNS, 3, self.COUNTED))
        assert seen.sums == {(RUNS, self.COUNTED): 2}, "a copy"
        tally.take_away(seen)
        left = tally.seen()
        assert left.sums == {(RUNS, self.COUNTED): 3}
        assert left.spreads == {}, "what was not counted again is forgotten"
        tally.take_away(left)
        assert tally.seen().sums == {}

    def test_least_and_most_begin_anew_with_a_new_series(self) -> None:
        tally = Tally()
        tally.add(Measure(CALL_SECONDS, 5.0, self.TIMED))
        tally.take_away(tally.seen())
        tally.add(Measure(CALL_SECONDS, 1.0, self.TIMED))
        spread = tally.seen().spreads[CALL_SECONDS, self.TIMED]
        assert (spread.least, spread.most) == (1.0, 1.0)
        assert not math.isinf(spread.most)


@pytest.mark.parametrize("deltas", [False, True])
def test_counts_are_sent_whole_or_as_what_came_since_and_none_is_lost_by_a_collector_that_refuses(collector: Collector, deltas: bool) -> None:
    exporter = OpenTelemetryExporter(metrics_url=f"{collector.url}/v1/metrics", metrics_every_s=0.1, deltas=deltas)
    measure = Measure(COST, 0.5, ("acme", "", "", "", "up", "cheap", "openai", "theirs"))
    exporter.record(measure)
    wait_until(lambda: collector.total("cascadeflow.cost") == 0.5)
    collector.status = 400
    exporter.record(measure)
    wait_until(lambda: collector.refused > 1)
    exporter.record(measure)
    collector.status = 200
    wait_until(lambda: collector.total("cascadeflow.cost") == (1.0 if deltas else 1.5))
    exporter.close(seconds=10)
    assert {point.is_delta for point in collector.series("cascadeflow.cost")} == {deltas}
