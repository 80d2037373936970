"""POST /api/v1/runs on the running site: the same road and the same result as /v1, errors as problem+json, the trace at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tenants.models import Scope, Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import make_key
from tests.live import answer
from tests.stage import ACCEPT, REJECT, Stage, step

RESULT = {
    "text", "message", "finish_reason", "run_id", "model_used", "total_cost", "savings_percentage", "latency_ms", "user_id", "user_tier",
    "domain_detected", "domain_confidence", "domain_explanation", "complexity", "steps_executed", "draft_accepted", "budget_remaining",
    "budget_warnings", "cost_breakdown", "quality_metrics", "preset", "policy_version", "arm", "degraded", "rung", "steps_skipped",
    "unpriced_models", "warnings",
}  # fmt: skip


@pytest.fixture
def key(live_cast: Stage) -> str:
    """A key that may make runs and look at them."""
    with tenant_scope(live_cast.cast.acme.id):
        return make_key(Scope.INVOKE, Scope.READ)


def run(stage: Stage, key: str, **said: Any) -> httpx.Response:
    with stage.http(key) as client:
        return client.post("/api/v1/runs/", json={"query": "Where is my order?", "preset": "steady", **said})


def trace(stage: Stage, key: str, run_id: str) -> dict[str, Any]:
    with stage.http(key) as client:
        reply = client.get(f"/api/v1/runs/{run_id}/")
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def problem_of(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:cascadeflow:problem:{code}")
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert len(problem["detail"]) > 10
    return problem


def test_a_run_has_every_field_of_the_plan_and_its_trace_is_there_at_once(live_cast: Stage, key: str) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    reply = run(live_cast, key, preset="house", user_id="ann", domain="legal", tags=["search"])
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert set(told) == RESULT
    assert told["text"] == told["message"]["content"] == "Your order is in Berlin and arrives on Friday."
    assert (told["user_id"], told["user_tier"], told["domain_detected"], told["preset"]) == ("ann", "free", "legal", "house")
    assert reply.headers["x-cascadeflow-run-id"] == told["run_id"]
    kept = trace(live_cast, key, told["run_id"])
    assert (kept["status"], kept["model_used"], kept["cost"], kept["tags"]) == ("served", "scripted-strong", told["total_cost"], ["search"])
    assert [(one["name"], one["status"]) for one in kept["steps"]] == [("draft", "rejected"), ("escalate", "accepted")]
    assert [entry["step"] for entry in kept["entries"]] == ["draft", "escalate"]
    assert "order" not in str(kept).lower(), "no text of question or answer is kept"


def test_a_run_takes_messages_tools_and_a_format_as_the_gateway_does(live_cast: Stage, key: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]
    said = {"messages": messages, "tools": [tool], "response_format": {"type": "json_object"}, "temperature": 0.5}
    with live_cast.http(key) as client:
        assert client.post("/api/v1/runs", json={**said, "max_tokens": 33, "preset": "scripted"}).status_code == 200
    (asked,) = live_cast.asked()
    assert {name: asked[name] for name in said} == said
    assert 33 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))


@pytest.mark.parametrize(
    ("said", "status", "code", "field"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, 400, "invalid_request", "query"),
        ({"colour": "red"}, 400, "invalid_request", "colour"),
        ({"max_cost": "1e999990"}, 400, "invalid_request", "max_cost"),
        ({"max_cost": "0.000001"}, 400, "invalid_request", "max_cost"),
        ({"user_tier": "gold"}, 400, "invalid_request", "user_tier"),
        ({"domain": "No Domain"}, 400, "invalid_request", "domain"),
        ({"user_id": "ann\nben"}, 400, "invalid_request", "user"),
        ({"preset": "gpt-9"}, 404, "model_not_found", "model"),
        ({"preset": "unable", "tools": [{"type": "function", "function": {"name": "f"}}]}, 422, "cannot_serve", "model"),
    ],
)
def test_a_wrong_request_is_a_problem_that_names_the_field(live_cast: Stage, key: str, said: Any, status: int, code: str, field: str) -> None:
    live_cast.add_models("script", {"unable": "unable"}, capabilities=["streaming"])
    assert field in problem_of(run(live_cast, key, **said), status, code)["errors"]
    assert live_cast.holds() == []


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("fault-500", 502, "provider_failed"),
        ("fault-garbage", 502, "provider_bad_answer"),
        ("unplugged", 502, "provider_unreachable"),
        ("fault-429", 429, "provider_rate_limited"),
        ("hasty", 504, "provider_timeout"),
    ],
)
def test_a_providers_failure_is_a_problem_with_the_run_that_tells_more(live_cast: Stage, key: str, model: str, status: int, code: str) -> None:
    live_cast.add_preset("hasty", step("only", "fault-timeout", timeout_s=0.3))
    reply = run(live_cast, key, preset=model)
    problem = problem_of(reply, status, code)
    assert problem["run_id"] == reply.headers["x-cascadeflow-run-id"]
    assert reply.headers.get("retry-after") == ("1" if status == 429 else None)
    kept = trace(live_cast, key, problem["run_id"])
    assert (kept["status"], kept["error_code"], kept["steps"][0]["status"]) == ("failed", code, "failed")


def test_a_rejected_draft_is_not_served_here_either(live_cast: Stage, key: str) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "unplugged"))
    reply = run(live_cast, key, preset="house")
    problem_of(reply, 502, "provider_unreachable")
    assert "warehouse" not in reply.text


def test_a_spent_budget_is_402_with_the_arithmetic_or_429_where_the_tenant_says_so(live_cast: Stage, key: str) -> None:
    live_cast.add_budget("0.000001", name="Acme's day")
    reply = run(live_cast, key)
    problem = problem_of(reply, 402, "budget_exhausted")
    assert (problem["budget"]["name"], problem["budget"]["limit"]) == ("Acme's day", "0.000001")
    assert Decimal(problem["asked"]) > 0
    assert reply.headers["x-should-retry"] == "false"
    with platform_scope():
        Tenant.objects.filter(id=live_cast.cast.acme.id).update(budget_refusal_status=429)
    assert problem_of(run(live_cast, key), 429, "budget_exhausted")["budget"] == problem["budget"]


def test_money_that_is_only_held_is_429_with_retry_after(live_cast: Stage, key: str) -> None:
    live_cast.add_budget("0.0009")
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run, live_cast, key, preset="scripted")
        live_cast.wait_until_held()
        reply = run(live_cast, key)
        gate.set()
        assert first.result().status_code == 200
    assert reply.headers["retry-after"] == "1"
    assert Decimal(problem_of(reply, 429, "budget_reserved")["budget"]["held"]) > 0


def test_the_scopes_invoke_and_read_are_each_needed_for_their_part(live_cast: Stage, key: str) -> None:
    with tenant_scope(live_cast.cast.acme.id):
        reader, caller = make_key(Scope.READ), make_key(Scope.INVOKE)
    problem_of(run(live_cast, reader), 403, "permission_denied")
    run_id = run(live_cast, caller).json()["run_id"]
    with live_cast.http(caller) as client:
        problem_of(client.get(f"/api/v1/runs/{run_id}/"), 403, "permission_denied")
    assert trace(live_cast, reader, run_id)["id"] == run_id
    with live_cast.http(live_cast.cast.globex_admin_key) as client:
        problem_of(client.get(f"/api/v1/runs/{run_id}/"), 404, "not_found")


def test_both_apis_say_the_same_of_the_same_call(live_cast: Stage, key: str) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    native = run(live_cast, key, preset="house", user_id="ben").json()
    gateway = live_cast.ask("house", user="ben").cascadeflow
    changing = ("run_id", "latency_ms", "steps_executed")
    assert {name: native[name] for name in gateway if name not in changing} == {name: gateway[name] for name in gateway if name not in changing}


def test_a_caller_who_goes_away_is_booked_to_the_end(live_cast: Stage, key: str) -> None:
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    with pytest.raises(httpx.ReadTimeout), live_cast.http(key) as client:
        client.post("/api/v1/runs/", json={"query": "Where is my order?", "preset": "house"}, timeout=0.5)
    gate.set()
    live_cast.wait_until_closed()
    assert [(entry.step, entry.kind) for entry in live_cast.entries()] == [("draft", "settled"), ("escalate", "settled")]
