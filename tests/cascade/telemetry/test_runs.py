"""What arrives at a collector of a run that went through the gateway."""

import pytest

from tenants.models import Tenant
from tenants.scoping import platform_scope
from tests.collector import Collector, Page
from tests.live import answer, wait_until
from tests.stage import ACCEPT, REJECT, Stage, step

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def escalating(stage: Stage) -> None:
    stage.add_preset("house", step("draft", "scripted", **REJECT), step("strong", "scripted-strong"))


def test_a_run_is_a_span_with_one_for_each_try_beneath_it(watched: Stage, collector: Collector) -> None:
    escalating(watched)
    ours = watched.ask("house", user="ann").cascadeflow
    run, (draft, strong) = collector.wait_for_run(ours["run_id"])
    slug = watched.cast.acme.slug
    assert (run.name, run.kind, run.parent_id, run.is_error) == ("invoke_workflow house", "SPAN_KIND_SERVER", "", False)
    assert run.attributes["gen_ai.operation.name"] == "invoke_workflow"
    told = {name.removeprefix("cascadeflow."): value for name, value in run.attributes.items()}
    assert {"tenant": slug, "tier": "free", "preset": "house", "outcome": "served", "model": "scripted-strong"}.items() <= told.items()
    assert told["escalated"] is True
    assert told["draft.accepted"] is False
    assert told["domain"] == ours["domain_detected"]
    assert told["cost_usd"] == pytest.approx(float(ours["total_cost"]))
    assert [span.name for span in (draft, strong)] == [f"chat {watched.upstream_name(model)}" for model in ("scripted", "scripted-strong")]
    assert draft.attributes.items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": watched.upstream_name("scripted"),
        "gen_ai.response.model": "theirs", "gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 7, "cascadeflow.tenant": slug,
        "cascadeflow.tier": "free", "cascadeflow.model": "scripted", "cascadeflow.provider": "script", "cascadeflow.preset": "house",
        "cascadeflow.step": "draft", "cascadeflow.step.status": "rejected", "cascadeflow.booked": "settled",
    }.items()  # fmt: skip
    assert strong.attributes["cascadeflow.step.status"] == "accepted"
    assert all(span.kind == "SPAN_KIND_CLIENT" and span.trace_id == run.trace_id for span in (draft, strong))
    assert run.start_ns <= draft.start_ns < draft.end_ns <= strong.start_ns < strong.end_ns <= run.end_ns
    assert run.resource["service.name"] == "cascadeflow"
    assert run.scope == "cascadeflow"
    assert not collector.wrong


def test_the_apps_own_trace_goes_on(watched: Stage, collector: Collector) -> None:
    for sampled, is_told in (("01", True), ("00", False)):
        reply = watched.post(headers={"traceparent": f"00-{TRACE}-{CALLER}-{sampled}", "tracestate": "vendor=1"}).json()["cascadeflow"]
        if is_told:
            run, _ = collector.wait_for_run(reply["run_id"])
            assert (run.trace_id, run.parent_id) == (TRACE, CALLER)
        else:
            after = watched.ask().cascadeflow["run_id"]
            collector.wait_for_run(after)
            assert not [span for span in collector.spans if span.attributes.get("cascadeflow.run.id") == reply["run_id"]]


NO_TRACES = (
    "", "nonsense", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE}-{CALLER}", "ü", "00-" + "f" * 5000, f"00-{TRACE}-{CALLER}-01-" + "x" * 9000,
)  # fmt: skip


@pytest.mark.parametrize("said", NO_TRACES)
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(watched: Stage, collector: Collector, said: str) -> None:
    reply = watched.post(headers={"traceparent": said.encode()})  # type: ignore[dict-item]
    assert reply.status_code == 200
    run, _ = collector.wait_for_run(reply.json()["cascadeflow"]["run_id"])
    assert run.parent_id == ""
    assert run.trace_id not in (TRACE, "0" * 32)


def test_metrics_arrive_under_the_names_of_the_semantic_conventions(watched: Stage, collector: Collector) -> None:
    escalating(watched)
    ours = watched.ask("house", user="ann").cascadeflow
    slug = watched.cast.acme.slug
    wait_until(lambda: collector.total("cascadeflow.runs", cascadeflow__tenant=slug) == 1)
    wait_until(lambda: len(collector.series("gen_ai.client.token.usage", cascadeflow__tenant=slug)) == 4)
    usage = {
        (point.attributes["cascadeflow.model"], point.attributes["gen_ai.token.type"]): (point.value, point.count)
        for point in collector.series("gen_ai.client.token.usage", cascadeflow__tenant=slug)
    }
    assert usage == {
        ("scripted", "input"): (11, 1), ("scripted", "output"): (7, 1), ("scripted-strong", "input"): (11, 1), ("scripted-strong", "output"): (7, 1),
    }  # fmt: skip
    (point, *_) = collector.series("gen_ai.client.token.usage", cascadeflow__tenant=slug, cascadeflow__model="scripted")
    assert point.unit == "{token}"
    assert point.bounds[:4] == (1, 4, 16, 64)
    assert point.attributes.items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": watched.upstream_name("scripted"),
        "cascadeflow.tier": "free", "cascadeflow.preset": "house", "cascadeflow.provider": "script",
    }.items()  # fmt: skip
    durations = collector.series("gen_ai.client.operation.duration", cascadeflow__tenant=slug)
    assert {point.attributes["cascadeflow.model"]: point.count for point in durations} == {"scripted": 1, "scripted-strong": 1}
    assert collector.total("cascadeflow.cost", cascadeflow__tenant=slug) == pytest.approx(float(ours["total_cost"]))
    assert collector.total("cascadeflow.escalations", cascadeflow__tenant=slug, cascadeflow__preset="house") == 1
    assert collector.total("cascadeflow.drafts", cascadeflow__tenant=slug, cascadeflow__draft__accepted="false") == 1


def test_prometheus_is_told_the_same(watched: Stage) -> None:
    escalating(watched)
    watched.add_preset("content", step("draft", "scripted", **ACCEPT), step("strong", "scripted-strong"))
    first, second = watched.ask("house", user="ann").cascadeflow, watched.ask("content").cascadeflow
    slug = watched.cast.acme.slug
    wait_until(lambda: Page(watched.site.url).total("cascadeflow_runs_total", tenant=slug) == 2)
    page = Page(watched.site.url)
    assert page.total("cascadeflow_runs_total", tenant=slug, tier="free", preset="house", outcome="served", error="") == 1
    cost = float(first["total_cost"]) + float(second["total_cost"])
    assert page.total("cascadeflow_cost_usd_total", tenant=slug) == pytest.approx(cost)
    assert page.total("cascadeflow_tokens_total", tenant=slug, model="scripted", token_type="input") == 22
    assert page.total("cascadeflow_tokens_total", tenant=slug, model="scripted-strong", token_type="output") == 7
    assert page.total("cascadeflow_escalations_total", tenant=slug) == 1
    assert page.total("cascadeflow_drafts_total", tenant=slug, accepted="true", preset="content") == 1
    assert page.total("cascadeflow_drafts_total", tenant=slug, accepted="false", preset="house") == 1
    assert page.total("cascadeflow_run_duration_seconds_count", tenant=slug) == 2
    assert page.total("cascadeflow_provider_calls_total", tenant=slug, provider="script", outcome="answered") == 3
    assert page.total("cascadeflow_ledger_duration_seconds_count", ledger_call="hold") >= 2


def test_a_stream_tells_its_time_to_the_first_token(watched: Stage, collector: Collector) -> None:
    list(watched.ask("scripted", stream=True))
    slug = watched.cast.acme.slug
    wait_until(lambda: any("cascadeflow.time_to_first_token_ms" in span.attributes for span in collector.of_tenant(slug)))
    wait_until(lambda: Page(watched.site.url).total("cascadeflow_time_to_first_token_seconds_count", tenant=slug) == 1)


def test_a_call_that_a_budget_refuses_is_counted_by_reason_and_status(watched: Stage, collector: Collector) -> None:
    watched.add_budget("0.000001", scope="tenant")
    assert watched.refused("steady").status_code == 402
    slug = watched.cast.acme.slug
    wait_until(lambda: Page(watched.site.url).total("cascadeflow_refusals_total", tenant=slug) == 1)
    page = Page(watched.site.url)
    assert page.total("cascadeflow_refusals_total", tenant=slug, error="budget_exhausted", status="402") == 1
    assert not page.has("cascadeflow_runs_total", tenant=slug)
    wait_until(lambda: collector.total("cascadeflow.refusals", cascadeflow__tenant=slug, error__type="budget_exhausted") == 1)
    wait_until(lambda: collector.of_tenant(slug) != [])
    (span,) = collector.of_tenant(slug)
    assert span.is_error
    assert (span.attributes["error.type"], span.attributes["http.response.status_code"]) == ("budget_exhausted", 402)


def test_a_budget_refusal_is_counted_under_the_status_that_the_tenant_wants(watched: Stage) -> None:
    with platform_scope():
        Tenant.objects.filter(id=watched.cast.acme.id).update(budget_refusal_status=429)
    watched.add_budget("0.000001", scope="tenant")
    slug = watched.cast.acme.slug
    wait_until(lambda: watched.refused("steady").status_code == 429)
    wait_until(lambda: Page(watched.site.url).has("cascadeflow_refusals_total", tenant=slug, error="budget_exhausted", status="429"))


def test_tries_that_fail_are_told_with_their_code_and_the_run_with_its_error(watched: Stage, collector: Collector) -> None:
    failure = watched.refused("fault-500")
    run, tries = collector.wait_for_run(failure.response.headers["x-cascadeflow-run-id"])
    assert run.is_error
    assert (run.attributes["error.type"], run.attributes["cascadeflow.outcome"]) == ("provider_failed", "failed")
    assert len(tries) == 3
    assert all(one.is_error and one.attributes["error.type"] == "provider_failed" for one in tries)
    slug = watched.cast.acme.slug
    wait_until(lambda: Page(watched.site.url).total("cascadeflow_provider_calls_total", tenant=slug, outcome="provider_failed") == 3)
    assert Page(watched.site.url).total("cascadeflow_runs_total", tenant=slug, outcome="failed", error="provider_failed") == 1


def test_a_shadow_is_told_as_a_run_of_its_own(watched: Stage, collector: Collector) -> None:
    escalating(watched)
    watched.roll_out("house", share=0, shadow=True)
    served = watched.ask("house").cascadeflow["run_id"]
    wait_until(lambda: any(span.attributes.get("cascadeflow.shadow_of") == served for span in collector.spans))
    (shadow,) = [span for span in collector.spans if span.attributes.get("cascadeflow.shadow_of") == served]
    run, _ = collector.wait_for_run(served)
    assert shadow.attributes["cascadeflow.outcome"] == "shadow"
    assert shadow.start_ns > run.end_ns - 10_000, "it begins when the served run ends; clocks of rows have microseconds"
    wait_until(lambda: Page(watched.site.url).total("cascadeflow_runs_total", tenant=watched.cast.acme.slug, outcome="shadow") == 1)


def test_end_users_are_not_told_unless_it_is_switched_on(watched: Stage, collector: Collector) -> None:
    run, _ = collector.wait_for_run(watched.ask("steady", user="ann").cascadeflow["run_id"])
    assert "enduser.pseudo.id" not in run.attributes


def test_what_a_provider_calls_its_model_is_told_only_where_it_is_a_name(watched: Stage, collector: Collector) -> None:
    for said, told in (("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"), ("you asked: where is my order?", None)):
        watched.script(body={**answer(), "model": said})
        _, (one,) = collector.wait_for_run(watched.ask("scripted").cascadeflow["run_id"])
        assert one.attributes.get("gen_ai.response.model") == told
