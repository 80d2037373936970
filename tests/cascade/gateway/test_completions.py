"""POST /v1/chat/completions: one answer, and all that is told beside it."""

from decimal import Decimal
from typing import Any

import pytest

from tenants.models import EndUser
from tenants.scoping import tenant_scope
from tests.live import answer
from tests.stage import ACCEPT, REJECT, Stage, step

FIELDS = {
    "run_id", "model_used", "total_cost", "savings_percentage", "latency_ms", "user_id", "user_tier", "domain_detected", "domain_confidence",
    "domain_explanation", "complexity", "steps_executed", "draft_accepted", "budget_remaining", "budget_warnings", "cost_breakdown",
    "quality_metrics", "preset", "policy_version", "arm", "degraded", "rung", "steps_skipped", "unpriced_models", "warnings",
}  # fmt: skip


def test_a_plain_completion_is_what_the_official_client_expects(live_cast: Stage) -> None:
    reply = live_cast.ask("steady")
    assert reply.object == "chat.completion"
    assert reply.id == f"chatcmpl-{reply.cascadeflow['run_id']}"
    assert reply.model == "steady"
    assert [choice.index for choice in reply.choices] == [0]
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content.startswith("Thank you for your question")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (8, 300, 308)
    assert reply.created > 1_700_000_000


def test_an_accepted_draft_is_told_with_its_cost_and_what_it_saved(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    ours = live_cast.ask("house", user="ann").cascadeflow
    assert set(ours) == FIELDS
    assert (ours["model_used"], ours["draft_accepted"], ours["preset"], ours["policy_version"]) == ("scripted", True, "house", "house@1")
    assert (ours["user_id"], ours["user_tier"], ours["degraded"], ours["budget_remaining"]) == ("ann", "free", None, None)
    assert (ours["domain_detected"], ours["complexity"]) == ("general", "trivial")
    assert ours["latency_ms"] > 0
    assert 0 <= ours["domain_confidence"] <= 1
    assert ours["domain_explanation"].keys() == {"overridden", "matched", "runner_up", "runner_up_confidence"}
    # 11 input and 7 output tokens at 0.15 and 0.60 USD per million; the baseline takes 2.50 and 10.
    assert ours["total_cost"] == "0.00000585"
    assert ours["cost_breakdown"] == {
        "draft_cost": "0.00000585", "verifier_cost": "0", "validation_cost": "0", "baseline_cost": "0.0000975", "cost_saved": "0.00009165",
    }  # fmt: skip
    assert ours["savings_percentage"] == 94.0
    (only,) = ours["steps_executed"]
    assert (only["name"], only["model"], only["status"], only["attempts"]) == ("draft", "scripted", "accepted", 1)
    assert (only["input_tokens"], only["output_tokens"], only["cost"]) == (11, 7, "0.00000585")
    metrics = ours["quality_metrics"]
    assert metrics["accepted"] is True
    assert metrics["threshold"] == 0.0
    assert set(metrics) == {"score", "threshold", "accepted", "reason", "checks"}
    assert all(set(check) == {"score", "reason"} for check in metrics["checks"].values())


def test_a_rejected_draft_is_told_beside_the_answer_that_took_its_place(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "demo-large"))
    reply = live_cast.ask("house")
    ours = reply.cascadeflow
    assert (reply.model, ours["model_used"], ours["draft_accepted"]) == ("demo-large", "demo-large", False)
    assert reply.choices[0].message.content.startswith("[simulated] ")
    assert [(one["name"], one["status"]) for one in ours["steps_executed"]] == [("draft", "rejected"), ("escalate", "accepted")]
    assert ours["steps_executed"][0]["reason"]
    assert ours["quality_metrics"]["accepted"] is False
    costs = {name: Decimal(amount) for name, amount in ours["cost_breakdown"].items()}
    assert costs["draft_cost"] == Decimal("0.00000585")
    assert costs["verifier_cost"] > costs["draft_cost"]
    assert Decimal(ours["total_cost"]) == costs["draft_cost"] + costs["verifier_cost"] == costs["baseline_cost"] - costs["cost_saved"]
    assert ours["savings_percentage"] < 0, "an escalated call costs more than the strong model alone, and says so"


def test_the_headers_say_the_same_as_the_object(live_cast: Stage) -> None:
    raw = live_cast.openai.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "What is a good way to learn chess?"}], user="ben"
    )
    ours, headers = raw.parse().cascadeflow, raw.headers
    assert headers["x-cascadeflow-run-id"] == ours["run_id"]
    assert headers["x-cascadeflow-model"] == ours["model_used"]
    assert headers["x-cascadeflow-cost"] == ours["total_cost"]
    assert headers["x-cascadeflow-policy"] == ours["policy_version"] == "production_ready@builtin-1"
    assert headers["x-cascadeflow-domain"] == ours["domain_detected"]
    assert headers["x-cascadeflow-tier"] == ours["user_tier"] == "pro"
    assert headers["x-cascadeflow-draft-accepted"] in ("true", "false")
    assert headers["x-request-id"].startswith("req_")
    assert "x-cascadeflow-degraded" not in headers


@pytest.mark.parametrize(
    ("model", "policy", "used"),
    [
        ("auto", "cost_optimized_saas@builtin-1", {"demo-mini", "demo-large"}),  # the free tier's preset
        ("production_ready", "production_ready@builtin-1", {"demo-mini", "demo-large"}),
        ("demo-large", "direct:demo-large", {"demo-large"}),
    ],
)
def test_the_model_may_be_auto_a_preset_or_one_model(live_cast: Stage, model: str, policy: str, used: set[str]) -> None:
    ours = live_cast.ask(model).cascadeflow
    assert ours["policy_version"] == policy
    assert ours["model_used"] in used


def test_an_end_user_is_made_on_first_sight_and_known_by_a_derived_id(live_cast: Stage) -> None:
    run_id = live_cast.ask("steady", user="walt").cascadeflow["run_id"]
    with tenant_scope(live_cast.cast.acme.id):
        walt = EndUser.objects.get(external_id="walt")
    assert live_cast.hold(run_id).end_user_id == live_cast.entries(run_id)[0].end_user_id == walt.id
    billed = live_cast.upstream.stats()["by"]
    assert f"{walt.id}|{live_cast.upstream_name('steady')}" in billed, "the provider hears the derived id"
    assert not any("walt" in name for name in billed), "the provider never hears the person's name"


def test_a_detected_domain_is_explained_to_the_caller_and_its_words_are_kept_nowhere(live_cast: Stage) -> None:
    ours = live_cast.ask("steady", "Is the indemnification clause of the lease enforceable in Python?").cascadeflow
    assert ours["domain_detected"] == "legal"
    assert "lease" in ours["domain_explanation"]["matched"]
    assert ours["domain_explanation"]["runner_up"] == "code"
    assert not ours["domain_explanation"]["overridden"]
    assert "lease" not in str(live_cast.run(ours["run_id"]).__dict__)


@pytest.mark.parametrize("how", ["body", "headers", "both"])
def test_tier_domain_and_tags_may_be_said_in_the_body_or_in_headers_and_the_body_wins(live_cast: Stage, how: str) -> None:
    said: dict[str, Any] = {}
    if how != "headers":
        said["extra_body"] = {"cascadeflow": {"tier": "pro", "domain": "legal", "tags": ["search", "eu"]}}
    if how != "body":
        other = how == "both"
        said["extra_headers"] = {
            "X-CascadeFlow-Tier": "enterprise" if other else "pro", "X-CascadeFlow-Domain": "code" if other else "Legal",
            "X-CascadeFlow-Tags": "other" if other else "search, eu, search",
        }  # fmt: skip
    ours = live_cast.ask("steady", user="ann", **said).cascadeflow
    assert (ours["user_tier"], ours["domain_detected"], ours["domain_confidence"]) == ("pro", "legal", 1.0)
    assert ours["domain_explanation"] == {"overridden": True, "matched": [], "runner_up": None, "runner_up_confidence": 0.0}
    (entry,) = live_cast.entries(ours["run_id"])
    assert (entry.tier, entry.domain, entry.tags) == ("pro", "legal", ["search", "eu"])
    assert live_cast.run(ours["run_id"]).tags == ["search", "eu"]


def test_a_run_is_bounded_by_the_calls_own_max_cost(live_cast: Stage) -> None:
    reply = live_cast.post(cascadeflow={"max_cost": "0.000001"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "max_cost")
    assert "0.000001 USD" in reply.json()["error"]["message"]
    enough = live_cast.post(cascadeflow={"max_cost": "0.01"})
    assert enough.status_code == 200
    assert live_cast.hold(enough.json()["cascadeflow"]["run_id"]).amount_nusd <= 10_000_000


def test_a_request_id_of_the_callers_is_kept_and_a_wild_one_is_replaced(live_cast: Stage) -> None:
    assert live_cast.post(headers={"x-request-id": "order-4711"}).headers["x-request-id"] == "order-4711"
    assert live_cast.post(headers={"x-request-id": "a b\t<c>"}).headers["x-request-id"].startswith("req_")


def test_a_model_is_booked_under_names_as_long_as_names_may_be(live_cast: Stage) -> None:
    longest = "m" * 200
    live_cast.add_models("up", {longest: live_cast.upstream_name("steady")})
    reply = live_cast.ask(longest)
    (entry,) = live_cast.entries(reply.cascadeflow["run_id"])
    assert (entry.kind, entry.model) == ("settled", longest)
    assert live_cast.run(reply.cascadeflow["run_id"]).model_used == longest


def test_what_a_provider_says_of_itself_cannot_spoil_the_booking(live_cast: Stage) -> None:
    theirs = {**answer("Good\x00bye."), "id": "x\x00y" * 100, "system_fingerprint": "fp\x00"}
    live_cast.script(body=theirs)
    reply = live_cast.ask("scripted")
    assert live_cast.entries(reply.cascadeflow["run_id"])[0].kind == "settled"
