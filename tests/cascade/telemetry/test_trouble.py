"""A collector in trouble is nobody else's trouble: calls are answered as ever, and what is lost is counted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests import live
from tests.cascade.telemetry.conftest import telling
from tests.collector import Collector, Page, collecting
from tests.live import ScriptedProvider, Server, free_port, wait_until
from tests.stage import Stage, staged

CALLS = 10
FOR_EVER = {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
"""So long the collector is waited for: whoever waited along would be seen, for callers give up after 20 seconds."""


@pytest.fixture(scope="module")
def troubled() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


@pytest.fixture(scope="module")
def site_in_trouble(django_db_setup: None, troubled: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = telling(troubled.url, tmp_path_factory.mktemp("metrics"), OTEL_EXPORTER_OTLP_TIMEOUT="3")
    with live.site(**environment) as server:
        yield server


Staged = Callable[[Server], AbstractContextManager[Stage]]


@pytest.fixture
def on(upstream: Server, scripted: ScriptedProvider, django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Staged:
    """The cast on a site that a test starts."""

    @contextmanager
    def on_site(site: Server) -> Iterator[Stage]:
        with django_db_blocker.unblock(), staged(site=site, upstream=upstream, scripted=scripted) as stage:
            yield stage

    return on_site


@pytest.fixture
def stage(site_in_trouble: Server, on: Staged) -> Iterator[Stage]:
    with on(site_in_trouble) as stage:
        yield stage


def call_as_ever(stage: Stage) -> None:
    for _ in range(CALLS):
        assert stage.ask("steady").cascadeflow["model_used"] == "steady"


def lost(stage: Stage) -> float:
    return Page(stage.site.url).total("cascadeflow_telemetry_dropped_total", lost="spans")


@pytest.mark.parametrize("status", [500, 503, 429, 401])
def test_a_collector_that_refuses_slows_no_call_and_what_it_refuses_is_counted(stage: Stage, troubled: Collector, status: int) -> None:
    before = lost(stage)
    troubled.status = status
    try:
        call_as_ever(stage)
        wait_until(lambda: lost(stage) >= before + CALLS, seconds=30)
    finally:
        troubled.status = 200
    run, _ = troubled.wait_for_run(stage.ask("steady").cascadeflow["run_id"])
    assert run.attributes["cascadeflow.tenant"] == stage.cast.acme.slug, "once it works again, it is told"
    assert Page(stage.site.url).total("cascadeflow_runs_total", tenant=stage.cast.acme.slug) >= CALLS, "Prometheus is none of its business"


def test_a_collector_that_hangs_slows_no_call_and_no_end(on: Staged, tmp_path: Path) -> None:
    with collecting() as collector:
        collector.gate = threading.Event()
        with live.site(**telling(collector.url, tmp_path, **FOR_EVER)) as site:
            with on(site) as stage:
                call_as_ever(stage)
                wait_until(lambda: collector.hanging > 0)
                call_as_ever(stage)
                wait_until(lambda: Page(site.url).total("cascadeflow_runs_total", tenant=stage.cast.acme.slug) == 2 * CALLS)
            site.process.terminate()
            site.process.wait(30)


def test_a_collector_that_takes_its_time_gets_everything(on: Staged, tmp_path: Path) -> None:
    with collecting() as collector:
        collector.gate = threading.Event()
        with live.site(**telling(collector.url, tmp_path, **FOR_EVER)) as site, on(site) as stage:
            wanted = [stage.ask("steady").cascadeflow["run_id"] for _ in range(CALLS)]
            wait_until(lambda: collector.hanging > 0)
            collector.gate.set()
            for run_id in wanted:
                collector.wait_for_run(run_id)
            assert lost(stage) == 0


def test_a_collector_that_is_not_there_slows_no_call_and_no_end(on: Staged, tmp_path: Path) -> None:
    with live.site(**telling(f"http://127.0.0.1:{free_port()}", tmp_path, **FOR_EVER)) as site:
        with on(site) as stage:
            call_as_ever(stage)
        site.process.terminate()
        site.process.wait(30)


def test_the_last_runs_are_told_before_the_site_ends(collector: Collector, on: Staged, tmp_path: Path) -> None:
    with live.site(**telling(collector.url, tmp_path, OTEL_METRIC_EXPORT_INTERVAL="600000")) as site:
        with on(site) as stage:
            run_id = stage.ask("steady").cascadeflow["run_id"]
            slug = stage.cast.acme.slug
        site.process.terminate()
        site.process.wait(30)
        collector.wait_for_run(run_id)
        wait_until(lambda: collector.total("cascadeflow.runs", cascadeflow__tenant=slug) == 1)
