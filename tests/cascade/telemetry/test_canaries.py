"""What must not be told, planted wherever text comes in: it appears neither at the collector, nor on Prometheus' page, nor in the log."""

import re

import httpx

from cascade.models import ProviderConnection
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tests.cascade.telemetry.conftest import SECRET_HEADER
from tests.collector import TOKEN, Collector, Page
from tests.live import answer, wait_until
from tests.stage import REJECT, Stage, step

CANARY = "CANARY"
NAMES_OF_NO_PAGE = re.compile(r"/(api/v1/runs/)?CANARY-(PATH|NOWHERE)/?")
"""Django logs the path of a request that leads nowhere, without its query."""


def plant(stage: Stage) -> list[str]:
    """Make calls full of canaries. Returns the ids of the runs."""
    with tenant_scope(stage.cast.acme.id):
        ProviderConnection.objects.filter(name="script").update(credential=Secret("sk-CANARY-of-the-provider"))
    stage.add_preset("house", step("draft", "scripted", **REJECT), step("strong", "scripted-strong"))
    tools = [{"type": "function", "function": {"name": "look", "arguments": '{"q": "CANARY-ARGUMENT"}'}, "id": "CANARY-CALL"}]
    for model in ("scripted", "scripted-strong"):
        stage.script(model, body={**answer("CANARY-ANSWER is the answer.", tool_calls=tools), "model": "CANARY said so", "id": "CANARY-ID"})
    messages = [{"role": "system", "content": "CANARY-SYSTEM"}, {"role": "user", "content": "CANARY-PROMPT: where is my order?"}]
    headers = {"x-request-id": "CANARY-REQUEST", "user-agent": "CANARY-AGENT", "x-cascadeflow-tags": "CANARY-TAG", "cookie": "a=CANARY-COOKIE"}
    body = {"model": "house", "messages": messages, "user": "CANARY-USER", "metadata": {"note": "CANARY-METADATA"}}
    whole = stage.post(body, headers=headers)
    assert whole.status_code == 200, whole.text
    assert "CANARY-ANSWER" in whole.text, "the canaries must have been on their way"
    stage.script("scripted-strong", body={"error": {"message": "CANARY-REFUSAL: no"}}, status=500)
    failed = stage.post(body, headers=headers)
    assert failed.status_code == 502, failed.text
    with stage.http(**headers) as client:
        native = client.post("/api/v1/runs/?token=CANARY-QUERY", json={"query": "CANARY-NATIVE", "preset": "scripted", "user_id": "CANARY-USER"})
        assert native.status_code == 200, native.text
        assert client.get("/api/v1/runs/CANARY-PATH/?secret=CANARY-QUERY").status_code == 403, "a key that may only invoke"
        assert client.get("/CANARY-NOWHERE?secret=CANARY-QUERY").status_code == 404
        assert client.request("CANARY", "/login/").status_code in (400, 403, 405)
    return [whole.headers["x-cascadeflow-run-id"], failed.headers["x-cascadeflow-run-id"], native.json()["run_id"]]


def test_no_text_no_secret_and_no_name_of_a_person_is_told(watched: Stage, collector: Collector) -> None:
    before = len(collector.bodies)
    stranger = httpx.post(f"{watched.site.url}/v1/chat/completions", headers={"authorization": "Bearer CANARY-KEY"}, json={})
    assert stranger.status_code == 401
    for run_id in plant(watched):
        collector.wait_for_run(run_id)
    slug = watched.cast.acme.slug
    wait_until(lambda: Page(watched.site.url).total("cascadeflow_runs_total", tenant=slug) == 3)
    wait_until(lambda: collector.total("cascadeflow.runs", cascadeflow__tenant=slug) == 3)
    wait_until(lambda: any(span.name == "POST api/v1/runs/?$" for span in collector.spans), what=lambda: str({s.name for s in collector.spans}))
    wait_until(lambda: any(span.attributes.get("http.response.status_code") == 404 for span in collector.spans))
    told = b"".join(collector.bodies[before:])
    assert slug.encode() in told
    for secret in (CANARY, watched.cast.acme_key, watched.cast.globex_key, TOKEN, SECRET_HEADER):
        assert secret.encode() not in told
        assert secret not in Page(watched.site.url).text
        assert secret not in NAMES_OF_NO_PAGE.sub("", watched.site.log())
    assert collector.headers[-1]["authorization"] == f"Bearer {SECRET_HEADER}"


def test_djangos_spans_have_a_route_and_a_status_and_no_address(watched: Stage, collector: Collector) -> None:
    with watched.http(watched.cast.acme_admin_key) as client:
        assert client.get("/api/v1/models/?cursor=CANARY-QUERY").status_code in (200, 400, 404)
    wait_until(lambda: any(span.name == "GET api/v1/models/?$" for span in collector.spans), what=lambda: str({s.name for s in collector.spans}))
    span = next(span for span in collector.spans if span.name == "GET api/v1/models/?$")
    assert span.kind == "SPAN_KIND_SERVER"
    assert set(span.attributes) <= {
        "http.request.method", "http.route", "http.response.status_code", "url.scheme", "network.protocol.version", "error.type",
    }  # fmt: skip


def test_a_native_run_stands_beneath_djangos_span_of_its_request(watched: Stage, collector: Collector) -> None:
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with watched.http(traceparent=f"00-{trace}-{caller}-01") as client:
        run_id = client.post("/api/v1/runs/", json={"query": "Where is it?", "preset": "scripted"}).json()["run_id"]
    run, _ = collector.wait_for_run(run_id)
    wait_until(lambda: any(span.span_id == run.parent_id for span in collector.spans))
    request = next(span for span in collector.spans if span.span_id == run.parent_id)
    assert (request.name, request.parent_id, run.trace_id) == ("POST api/v1/runs/?$", caller, trace)
