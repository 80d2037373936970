"""Spans that Celery and httpx make, and what is switched on only where somebody wants it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import live
from tests.cascade.telemetry.conftest import telling
from tests.collector import Collector, collecting
from tests.live import ROOT, ScriptedProvider, Server, wait_until
from tests.stage import staged

SEND = """
from cascadeflow_site.celery import app
app.send_task("billing.sweep", kwargs={"CANARY_ARGUMENT": "CANARY-VALUE"}, retries=3)
app.send_task("billing.forget_rates")
from cascade.telemetry.process import close; close()
"""
CALL = """
import os, django, httpx
django.setup()
from cascadeflow_site.instrumentation import instrument_this_process
instrument_this_process()
url = os.environ["TARGET"]
httpx.post(url + "/check?api_key=CANARY-QUERY", headers={"authorization": "Bearer CANARY-KEY"}, content="CANARY-BODY")
from cascade.telemetry.process import close; close()
"""


@pytest.fixture
def quiet_collector() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


def run(script: str, **environment: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_task_of_the_worker_is_a_span_without_its_arguments_and_without_the_words_of_its_failure(
    django_db_setup: None, quiet_collector: Collector, tmp_path: Path
) -> None:
    told = telling(quiet_collector.url, tmp_path, TELEMETRY_INSTRUMENT="celery", CASCADEFLOW_VAR=str(tmp_path))
    environment = {**os.environ, **live.SITE_ENVIRONMENT, **told}
    command = [sys.executable, "-m", "celery", "-A", "cascadeflow_site.celery", "worker", "--pool", "solo", "--loglevel", "critical"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        run(SEND, **environment)
        names = {"apply_async billing.sweep", "run billing.sweep", "apply_async billing.forget_rates", "run billing.forget_rates"}
        wait_until(lambda: names <= {span.name for span in quiet_collector.spans}, seconds=60, what=lambda: str(quiet_collector.spans))
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    spans = {span.name: span for span in quiet_collector.spans}
    failed, worked = spans["run billing.sweep"], spans["run billing.forget_rates"]
    assert failed.is_error
    assert failed.attributes["error.type"] == "TypeError"
    assert not worked.is_error
    assert worked.trace_id == spans["apply_async billing.forget_rates"].trace_id
    assert b"CANARY" not in b"".join(quiet_collector.bodies)


def test_a_call_by_httpx_is_a_span_without_query_header_or_body(django_db_setup: None, quiet_collector: Collector, upstream: Server) -> None:
    told = telling(quiet_collector.url, Path("/nowhere"), TELEMETRY_INSTRUMENT="httpx", TARGET=upstream.url, METRICS_TOKEN="")
    greedy = {f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_{side}": ".*" for side in ("REQUEST", "RESPONSE")}
    run(CALL, **{**os.environ, **live.SITE_ENVIRONMENT, **told, **greedy, "DJANGO_SETTINGS_MODULE": "cascadeflow_site.settings"})
    (span,) = quiet_collector.spans
    assert (span.name, span.kind) == ("POST", "SPAN_KIND_CLIENT")
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("127.0.0.1", upstream.port)
    assert b"CANARY" not in b"".join(quiet_collector.bodies)


def test_end_users_are_told_by_our_own_id_where_it_is_switched_on_and_djangos_spans_only_where_they_are(
    quiet_collector: Collector, upstream: Server, scripted: ScriptedProvider, django_db_setup: None, django_db_blocker: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:  # fmt: skip
    environment = telling(quiet_collector.url, tmp_path, TELEMETRY_END_USERS="on", OTEL_SERVICE_NAME="our-gateway", OTEL_METRICS_EXPORTER="none")
    with live.site(**environment) as site, django_db_blocker.unblock(), staged(site=site, upstream=upstream, scripted=scripted) as stage:
        run, _ = quiet_collector.wait_for_run(stage.ask("steady", user="ann").cascadeflow["run_id"])
        with stage.http() as client:
            native = client.post("/api/v1/runs/", json={"query": "Where?", "preset": "steady"}).json()["run_id"]
        native_run, _ = quiet_collector.wait_for_run(native)
        assert run.attributes["enduser.pseudo.id"] == str(stage.cast.ann.id)
        assert run.resource["service.name"] == "our-gateway"
        assert native_run.parent_id == ""
        assert not quiet_collector.points


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}])
def test_without_a_collector_nothing_of_opentelemetry_is_loaded(django_db_setup: None, off: dict[str, str]) -> None:
    told = {**telling("http://127.0.0.1:9", Path("/nowhere"), METRICS_TOKEN=""), **off, "TELEMETRY_INSTRUMENT": "django,celery,httpx"}
    script = """
import sys, cascadeflow_site.asgi, cascadeflow_site.celery
from cascade.telemetry.process import telemetry
assert not telemetry().is_on
sys.exit(any(name.split(".")[0] in ("opentelemetry", "prometheus_client") for name in sys.modules))
"""
    run(script, **{**os.environ, **live.SITE_ENVIRONMENT, **told, "DJANGO_SETTINGS_MODULE": "cascadeflow_site.settings"})
