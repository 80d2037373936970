"""What telemetry costs: CPU time of the web process for a call, without it, with Prometheus' page, and with traces and metrics by OTLP, of
all calls or with traces of a tenth.

The same site before bench/upstream.py, as bench/gateway.py has it, one process for each way; wrk calls each in turn over 16 connections.
CPU time is read from /proc and compared within a round, so that what else the machine does counts for little. A collector that takes
everything runs beside them.
Also, measured alone: the time that a call itself spends on telemetry before its reply leaves, and what telling it on takes afterwards.
Writes bench/results/telemetry.json. Ends with 1 where a reply was not 2xx.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from bench.gateway import PRESET, QUESTION, Entrant, document, find_wrk, machine, recording, run_wrk
from bench.site import ROOT, Site, serving, site, upstream
from tenants.keys import new_key

RESULTS = ROOT / "bench/results/telemetry.json"
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")
CALLS = 9_000
"""Fewer than the queue takes."""
WAYS = ("off", "prometheus", "otlp", "otlp_sampled")


async def collector(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Takes whatever comes."""
    if scope["type"] == "lifespan":
        for said in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{said}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0"), (b"content-type", b"application/x-protobuf")]})
    await send({"type": "http.response.body", "body": b""})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each way, in turn (default: 10)")
    parser.add_argument("--seconds", type=int, default=2, help="length of a round (default: 2)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the figures go (default: bench/results/telemetry.json)")
    given = parser.parse_args()
    wrk = find_wrk()
    if wrk is None:
        print("This needs wrk, which is not on PATH. On Debian: apt-get install wrk", file=sys.stderr)
        return 2
    with site() as ours, upstream(folder=ours.folder, data=recording(ours.folder)) as provider, served(ours, provider) as (key, urls):
        ours_us, faults = measure(urls, wrk=wrk, key=key, rounds=given.rounds, seconds=given.seconds)
    alone_us = {**on_the_road(), **afterwards()}
    medians = {way: round(statistics.median(samples)) for way, samples in ours_us.items()}
    figures = {
        "measured_on": datetime.now(UTC).date().isoformat(), "machine": machine(), "rounds": given.rounds, "seconds": given.seconds, "errors": faults,
        "cpu_us_per_call": medians, "more_than_off": {way: more_than_off(ours_us, way) for way in WAYS[1:]},
        "alone_us": alone_us, "samples": {way: [round(sample) for sample in samples] for way, samples in ours_us.items()},
    }  # fmt: skip
    print(json.dumps(figures, indent=2))
    given.out.write_text(json.dumps(figures, indent=2) + "\n")
    return int(bool(faults))


def more_than_off(samples: dict[str, list[float]], way: str) -> float:
    """Return the median over the rounds of how much more a call cost than without telemetry: 0.1 is a tenth more."""
    return round(statistics.median(with_it / without - 1 for with_it, without in zip(samples[way], samples["off"], strict=True)), 4)


@contextmanager
def served(ours: Site, provider: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve ours each way; gives a key and the addresses."""
    key = new_key()
    ours.provision(document(provider), BENCH_KEY=key)
    with ExitStack() as running:
        sink = running.enter_context(serving("bench.telemetry:collector", workers=1, environment=os.environ, folder=ours.folder, path="/healthz"))
        page = {"METRICS_TOKEN": "of-the-benchmark", "METRICS_FOLDER": str(ours.folder / "metrics")}
        otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink}
        urls = {}
        tenth = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
        for way, more in zip(WAYS, ({}, page, otlp, {**otlp, **tenth}), strict=True):
            environment = {**ours.environment, **more}
            urls[way] = running.enter_context(
                serving("cascadeflow_site.asgi:application", workers=1, environment=environment, folder=ours.folder, path="/healthz")
            )
        yield key, urls


def measure(urls: dict[str, str], *, wrk: str, key: str, rounds: int, seconds: int) -> tuple[dict[str, list[float]], int]:
    """Return the CPU time of a call in microseconds, a sample a round, of each way; and how many replies were not 2xx."""
    samples: dict[str, list[float]] = {way: [] for way in WAYS}
    faults = 0
    processes = {way: process_at(url) for way, url in urls.items()}
    for number in range(rounds + 1):
        for way, url in urls.items():
            before = cpu_s(processes[way])
            sample = run_wrk(wrk, Entrant("ours", 1, url), key=key, connections=CONNECTIONS, seconds=seconds, seed=number)
            time.sleep(1.5)  # what is told afterwards is part of it
            calls = sample.per_second * seconds
            spent_us = (cpu_s(processes[way]) - before) / calls * 1e6
            faults += sample.faults
            print(f"round {number}  {way:10}  {spent_us:7.0f} us of CPU a call  {sample.per_second:6.0f} req/s  p99 {sample.p99:.1f} ms", flush=True)
            if number:  # the first fills caches
                samples[way].append(spent_us)
    return samples, faults


def process_at(url: str) -> int:
    """Return the process that listens at the address: uvicorn with one worker is one."""
    port = url.rsplit(":", 1)[1]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"uvicorn" in words and port.encode() in words:
            return int(path.parent.name)
    raise SystemExit(f"nobody listens at {url}")


def cpu_s(pid: int) -> float:
    spent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(spent[11]) + int(spent[12])) / TICKS


def on_the_road() -> dict[str, float]:
    """Return what a call with one try spends on telemetry before its reply leaves, off and on, in microseconds."""
    import django

    django.setup()
    from cascade.telemetry.process import Telemetry

    # Whoever is told, is told afterwards: it does not matter here.
    return {f"on_the_road_{way}": noting_us(Telemetry(sinks=sinks)) for way, sinks in (("off", []), ("on", [object()]))}


def noting_us(telemetry: Any) -> float:
    from cascade.observing import observe_run

    outcome, entries, subject, progress = a_run()
    tenant = SimpleNamespace(config=SimpleNamespace(slug="acme", connections=[SimpleNamespace(name=f"c{n}", provider="openai") for n in range(5)]))
    runtime = SimpleNamespace(telemetry=telemetry)
    return each_us(lambda: observe_run(runtime, tenant, outcome, entries=entries, subject=subject, progress=progress))


def afterwards() -> dict[str, float]:
    """Return what it takes to tell a call with one try on, for each of those who are told, in microseconds."""
    from cascade.telemetry.metrics import measures_of
    from cascade.telemetry.process import Telemetry
    from cascade.telemetry.process_files import prepare_folder
    from cascade.telemetry.run_spans import RunSpans
    from cascade.telemetry.span_messages import request_of
    from cascade.telemetry.tallies import Tally

    telemetry = Telemetry(sinks=[object()])  # type: ignore[list-item]
    noting_us(telemetry)
    facts = telemetry._waiting[0]
    with tempfile.TemporaryDirectory() as folder:
        counted = prepare_folder(Path(folder))
        from opentelemetry.sdk.trace import TracerProvider

        from cascade.telemetry.prometheus_page import PrometheusPage

        page, tally, spans = PrometheusPage(folder=counted), Tally(), RunSpans(TracerProvider(shutdown_on_exit=False))
        return {
            "prometheus": each_us(lambda: [page.record(measure) for measure in measures_of(facts)]),
            "otlp_metrics": each_us(lambda: [tally.add(measure) for measure in measures_of(facts) if measure.metric.otlp]),
            "otlp_spans": each_us(lambda: request_of(list(spans.of(facts))).SerializeToString()),
        }


def each_us(do: Callable[[], object]) -> float:
    """Return the least CPU time that it took once, over a few thousand times in each of some tries."""
    spent = []
    for _ in range(5):
        began = time.thread_time()
        for _ in range(CALLS // 5):
            do()
        spent.append((time.thread_time() - began) / (CALLS // 5) * 1e6)
    return round(min(spent), 2)


def a_run() -> tuple[Any, ...]:
    """A run of one try whose draft was accepted, as the services hand it on."""
    from billing.engine.pricing import Price, Usage
    from billing.ledger import Hold, Subject
    from cascade.engine.plans import Attempt, CascadePlan, CascadeRequest, CascadeResult, PlannedStep, StepOutcome
    from cascade.engine.values import Completion, DomainMatch, ModelConfig, ValidationResult
    from cascade.observing import Progress
    from cascade.outcomes import entries_of, outcome_of

    model = ModelConfig(name="cheap", provider="c1", upstream_name="cheap", price=Price(version="1", input_nusd=150_000_000, output_nusd=600_000_000))
    step = PlannedStep(
        name="draft", kind="answer", candidates=(model,), validator="balanced", threshold=0.5, max_tokens=512, timeout_s=60, instruction="",
        input_bound_tokens=400, bound_nusd=10**6,
    )
    plan = CascadePlan(
        request=CascadeRequest(messages=()), prompt=QUESTION, domain=DomainMatch(domain="general", confidence=0.5), complexity="simple", tier="pro",
        preset=PRESET, policy_version=f"{PRESET}@builtin-1", steps=(step,),
    )
    usage = Usage(input_tokens=140, output_tokens=300)
    attempt = Attempt(model=model, charge="settled", usage=usage, response_model="cheap-2026-01-01", latency_ms=300.0)
    judged = ValidationResult(score=0.8, threshold=0.5, accepted=True, checks=(), reason="")
    done = StepOutcome(leg=0, name="draft", kind="answer", status="accepted", attempts=(attempt,), latency_ms=300.0, validation=judged)
    completion = Completion(message={"role": "assistant", "content": "Yes."}, finish_reason="stop", usage=usage)
    result = CascadeResult(plan=plan, steps=(done,), completion=completion, served_by=model, served_leg=0)
    tenant, now = uuid4(), datetime.now(UTC)
    hold, entries = Hold(id=uuid4(), tenant_id=tenant, rung=0, remaining_nusd=None), entries_of(result)
    outcome = outcome_of(result, hold=hold, entries=entries, user_id="u1", latency_ms=310.0, first_token_ms=None)
    return outcome, entries, Subject(tenant_id=tenant, time_zone="UTC"), Progress(began=time.perf_counter(), started_at=now)


if __name__ == "__main__":
    sys.exit(main())
