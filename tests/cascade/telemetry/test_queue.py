"""Between the road and whoever is told: a queue that makes nobody wait, and loses nothing without saying so."""

import asyncio
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from cascade.telemetry import process, sending
from cascade.telemetry.facts import Facts, RefusalFacts, RunFacts, TryFacts
from cascade.telemetry.metrics import LOST, METRICS, REFUSALS, Measure, measures_of
from cascade.telemetry.opentelemetry_exporter import OpenTelemetryExporter
from cascade.telemetry.process import Telemetry
from tests.collector import Collector, collecting
from tests.live import wait_until

REFUSED = RefusalFacts(tenant="acme", tier="free", started_ns=1_700_000_000_000_000_000, latency_ms=3.0, reason="budget_exhausted", status=402)
TRY = TryFacts(
    step="draft", kind="answer", provider="up", provider_kind="vertex", model="cheap", request_model="gemini", response_model="", outcome="answered",
    status="accepted", booked="settled", started_ms=1.0, latency_ms=250.0, cost_nusd=1_500_000, input_tokens=11, output_tokens=7,
)  # fmt: skip
RUN = RunFacts(
    tenant="acme", tier="free", started_ns=1_700_000_000_000_000_000, latency_ms=300.0, run_id=uuid4(), shadow_of=None, domain="code",
    complexity="simple", preset="house", policy_version="house@1", arm="cascade", outcome="served", error="", model_used="cheap", draft_accepted=None,
    escalated=False, cost_nusd=1_500_000, hold_ms=2.0, settle_ms=1.0, first_token_ms=None, tries=(TRY,),
)  # fmt: skip


class Notebook:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.measures: list[Measure] = []
        self.followed: list[Facts] = []

    def record(self, measure: Measure) -> None:
        self.measures.append(measure)

    def follow(self, facts: Facts) -> None:
        if facts.tenant == "wrong":
            raise ValueError("a bug")
        self.followed.append(facts)

    def take_lost(self) -> int:
        return 0

    def total(self, metric: object) -> dict[tuple[str, ...], float]:
        sums: dict[tuple[str, ...], float] = {}
        for measure in self.measures:
            if measure.metric is metric:
                sums[measure.labels] = sums.get(measure.labels, 0) + measure.value
        return sums


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


def test_nothing_is_taken_where_nobody_is_told() -> None:
    telemetry = Telemetry()
    assert not telemetry.is_on
    telemetry.note(REFUSED)
    assert telemetry.digest() == 0


def test_what_finds_the_queue_full_is_counted_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_WAITING", 100)
    told = Notebook()
    telemetry = Telemetry(sinks=[told])
    for _ in range(130):
        telemetry.note(REFUSED)
    telemetry.finish()
    assert told.total(REFUSALS) == {("acme", "free", "budget_exhausted", "402"): 100}
    assert told.total(LOST) == {("calls",): 30}
    telemetry.note(REFUSED)
    telemetry.finish()
    assert told.total(LOST) == {("calls",): 30}, "each is counted once"


def test_a_bug_costs_the_telemetry_of_one_call_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    told = Notebook()
    telemetry = Telemetry(sinks=[told])
    for tenant in ("acme", "wrong", "globex"):
        telemetry.note(RefusalFacts(tenant=tenant, tier="", started_ns=1, latency_ms=1.0, reason="x", status=402))
    telemetry.finish()
    assert [facts.tenant for facts in told.followed] == ["acme", "globex"]
    assert told.total(LOST) == {("calls",): 1}
    assert "ValueError" in caplog.text
    assert "a bug" not in caplog.text, "words of an exception may be anybody's"


@pytest.mark.asyncio
async def test_others_come_in_between_while_it_tells_on() -> None:
    told = Notebook()
    telemetry = Telemetry(sinks=[told])
    for _ in range(400):
        telemetry.note(REFUSED)
    telling = asyncio.create_task(telemetry.keep_digesting(breakers=tuple))
    turns = set()
    while len(told.followed) < 400:
        turns.add(len(told.followed))
        await asyncio.sleep(0)
    telling.cancel()
    assert len(turns) >= 400 // process.AT_A_TIME, "after each few calls it lets others go first"


def test_a_buffer_of_spans_that_is_full_takes_none_and_counts_them(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_SPANS", 200)
    collector.gate = threading.Event()
    exporter = OpenTelemetryExporter(traces_url=f"{collector.url}/v1/traces")
    for _ in range(sending.BATCH):
        exporter.follow(REFUSED)
    wait_until(lambda: collector.hanging == 1)
    for _ in range(1000):
        exporter.follow(REFUSED)
    assert exporter.take_lost() == 800
    assert exporter.take_lost() == 0
    collector.gate.set()
    exporter.close(seconds=20)
    assert len(collector.spans) == sending.BATCH + 200


def test_traces_and_metrics_can_be_sent_each_alone(collector: Collector) -> None:
    for only in ("traces", "metrics"):
        exporter = OpenTelemetryExporter(**{f"{only}_url": f"{collector.url}/v1/{only}"})
        exporter.follow(RUN)
        for measure in measures_of(RUN):
            exporter.record(measure)
        exporter.close(seconds=20)
    assert {span.name for span in collector.spans} == {"invoke_workflow house", "chat gemini"}
    assert collector.total("cascadeflow.runs") == 1
    assert len(collector.bodies) == 2


def test_a_slug_of_ours_is_told_by_the_name_of_the_conventions() -> None:
    said = {measure.metric.otlp: measure for measure in measures_of(RUN) if "provider_name" in measure.metric.more_labels}
    for measure in said.values():
        names = measure.metric.labels + measure.metric.more_labels
        assert dict(zip(names, measure.labels, strict=True))["provider_name"] == "gcp.vertex_ai"


def test_money_is_told_in_dollars() -> None:
    (cost,) = [measure for measure in measures_of(RUN) if measure.metric.otlp == "cascadeflow.cost"]
    assert cost.value == pytest.approx(0.0015)


def test_each_measure_has_a_value_for_each_label() -> None:
    for facts in (REFUSED, RUN):
        for metric, _, labels in measures_of(facts):
            assert len(labels) == len(metric.labels + metric.more_labels), metric.otlp or metric.prometheus


def test_every_metric_has_a_name_for_somebody_and_no_label_twice() -> None:
    for metric in METRICS:
        assert metric.otlp or metric.prometheus
        assert len(set(metric.labels + metric.more_labels)) == len(metric.labels + metric.more_labels)
    assert len({metric.otlp for metric in METRICS if metric.otlp}) == sum(bool(metric.otlp) for metric in METRICS)
