"""Callbacks on the one road, on a live site: what they are told, and what becomes of allow, warn, degrade, block, and fewer models."""

import json

from cascade.models import CascadeRun, CatalogModel, ProviderConnection
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tenants.services import OVERLAPS
from tenants.signing import roll_secret
from tests.cascade.conftest import add_hook
from tests.live import wait_until
from tests.stage import ACCEPT, REJECT, Stage, step
from tests.webhooks import Receiver, verified

HI = [{"role": "user", "content": "Hi"}]


class TestWhatIsTold:
    def test_the_address_is_told_who_asks_what_is_planned_and_how_the_budgets_stand_but_no_text(self, hooked: Stage, receiver: Receiver) -> None:
        hooked.add_budget("2", name="Acme's day")
        answer = hooked.ask("auto", "Where is my SECRET order?", user="ann", extra_body={"cascadeflow": {"tags": ["batch"]}})
        headers, body = receiver.asked[-1]
        told = receiver.context
        assert b"SECRET" not in body
        assert json.loads(body)["type"] == "enforcement.check"
        assert (told["tenant"], told["user_id"], told["user_tier"], told["tags"]) == (hooked.cast.acme.slug, "ann", "free", ["batch"])
        assert told["run_id"] == answer.cascadeflow["run_id"]
        assert headers["webhook-id"] == f"enf_{told['run_id']}"
        assert told["models"] == ["demo-mini", "demo-large"]
        assert {"demo-mini", "demo-large", "steady"} <= set(told["available_models"])
        assert 0 < float(told["estimated_cost"]) < 2
        budget = told["budgets"][0]
        assert (budget["name"], budget["limit"], budget["spent"], budget["held"], budget["action"]) == ("Acme's day", "2", "0", "0", "block")
        assert answer.cascadeflow["budget_warnings"] == []

    def test_every_question_is_signed_and_after_a_roll_by_both_secrets(self, live_cast: Stage, receiver: Receiver) -> None:
        hook, first = add_hook(live_cast, receiver.url)
        live_cast.ask()
        assert verified(*receiver.asked[-1], secret=first)
        with tenant_scope(live_cast.cast.acme.id):
            _, second = roll_secret(row=hook, overlap=OVERLAPS["1h"], now=hook.created_at)
        wait_until(lambda: bool(live_cast.ask()) and verified(*receiver.asked[-1], secret=second))
        assert verified(*receiver.asked[-1], secret=first)
        with tenant_scope(live_cast.cast.acme.id):
            _, third = roll_secret(row=hook, overlap=OVERLAPS["0s"], now=hook.created_at)
        wait_until(lambda: bool(live_cast.ask()) and verified(*receiver.asked[-1], secret=third))
        assert not verified(*receiver.asked[-1], secret=second)

    def test_only_the_tiers_that_are_meant(self, live_cast: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "block"}
        add_hook(live_cast, receiver.url, tiers=["pro"])
        assert live_cast.ask()
        assert not receiver.asked

    def test_nobody_of_another_tenant(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "block"}
        with hooked.http(hooked.cast.globex_key) as client:
            answer = client.post("/v1/chat/completions", json={"model": "nothing", "messages": [{"role": "user", "content": "Hi"}]})
        assert answer.json()["error"]["code"] == "model_not_found"
        with tenant_scope(hooked.cast.globex.id):
            row = ProviderConnection.objects.create(name="sim", provider="simulated")
            CatalogModel.objects.create(name="theirs", connection=row)
        wait_until(lambda: "error" not in hooked.post(key=hooked.cast.globex_key, model="theirs", messages=HI).json())
        assert not receiver.asked


class TestWhatIsAnswered:
    def test_block_is_402_with_the_reason_and_nothing_is_held_or_sent(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "block", "reason": "contract ended\u0000"}
        failure = hooked.refused(user="ann")
        assert (failure.status_code, failure.code) == (402, "blocked_by_callback")
        assert failure.message.count("The callback policy says block: contract ended. Nothing was sent.") == 1
        assert failure.response.headers["x-should-retry"] == "false"
        assert failure.response.json()["cascadeflow"] == {"callback": "policy", "reason": "contract ended"}
        assert hooked.holds() == []
        streamed = hooked.refused(stream=True)
        assert streamed.status_code == 402

    def test_block_stays_402_where_a_spent_budget_is_429(self, hooked: Stage, receiver: Receiver) -> None:
        with platform_scope():
            Tenant.objects.filter(id=hooked.cast.acme.id).update(budget_refusal_status=429)
        receiver.reply = {"action": "block"}
        assert hooked.refused().status_code == 402

    def test_the_native_api_says_the_same(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "block", "reason": "contract ended"}
        with hooked.http() as client:
            answer = client.post("/api/v1/runs/", json={"query": "Hi", "preset": "steady"})
        assert (answer.status_code, answer.json()["code"], answer.json()["callback"]) == (402, "blocked_by_callback", "policy")

    def test_warn_answers_and_says_so(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "warn", "reason": "80 % of the contract is used"}
        assert hooked.ask().cascadeflow["budget_warnings"] == ["The callback policy says warn: 80 % of the contract is used"]

    def test_degrade_starts_below_the_best_rung_and_says_why(self, hooked: Stage, receiver: Receiver) -> None:
        hooked.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
        receiver.reply = {"action": "degrade", "reason": "trial"}
        said = hooked.ask("house").cascadeflow
        assert said["rung"] != "best"
        assert said["degraded"].endswith(": The callback policy says degrade: trial")
        assert hooked.run(said["run_id"]).status == "degraded"

    def test_a_budget_that_degrades_further_leaves_the_reason_to_be_read(self, hooked: Stage, receiver: Receiver) -> None:
        hooked.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
        receiver.reply = {"action": "degrade", "reason": "trial"}
        first = hooked.ask("house", max_tokens=600).cascadeflow
        hooked.add_budget("0.0006", scope="end_user", action="degrade")
        second = hooked.ask("house", max_tokens=600, user="ben").cascadeflow
        assert (first["rung"], second["rung"]) == ("shorter_answers", "draft_only")
        assert second["degraded"].endswith("the budget does not bear the best path")
        assert second["budget_warnings"] == ["The callback policy says degrade: trial"]

    def test_a_stream_tells_warnings_too(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "warn", "reason": "soon over"}
        last = [part for part in hooked.ask(stream=True) if getattr(part, "cascadeflow", None)][-1]
        assert last.cascadeflow["budget_warnings"] == ["The callback policy says warn: soon over"]

    def test_degrade_where_nothing_is_cheaper_answers_and_says_so(self, hooked: Stage, receiver: Receiver) -> None:
        with tenant_scope(hooked.cast.acme.id):
            hooked.add_policy("free", allowed_models=["steady"])
        receiver.reply = {"action": "degrade"}
        said = hooked.ask(max_tokens=10).cascadeflow
        assert said["rung"] == "best"
        assert said["budget_warnings"] == ["The callback policy says degrade", "There is no cheaper way to answer"]

    def test_models_that_it_leaves_out_are_asked_on_no_path(self, hooked: Stage, receiver: Receiver) -> None:
        hooked.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong", "steady"))
        receiver.reply = {"action": "allow", "models": ["scripted", "steady", "not-ours"]}
        said = hooked.ask("house").cascadeflow
        assert said["model_used"] == "steady"
        assert any("an enforcement callback leaves 'scripted-strong' out" in skipped for skipped in said["steps_skipped"])
        assert hooked.asked("scripted-strong") == []

    def test_when_no_model_is_left_the_call_is_403(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "allow", "models": []}
        failure = hooked.refused()
        assert (failure.status_code, failure.code) == (403, "model_not_allowed")
        assert "an enforcement callback leaves 'steady' out" in failure.message

    def test_a_degraded_call_still_asks_none_that_it_left_out(self, hooked: Stage, receiver: Receiver) -> None:
        hooked.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
        receiver.reply = {"action": "degrade", "models": ["scripted", "scripted-strong"]}
        said = hooked.ask("house").cascadeflow
        assert said["rung"] != "cheaper_path"
        assert said["model_used"] in ("scripted", "scripted-strong")


def shadows(stage: Stage) -> int:
    with tenant_scope(stage.cast.acme.id):
        return CascadeRun.objects.filter(arm="shadow").count()


def test_a_shadow_is_told_of_and_a_degraded_call_has_none(hooked: Stage, receiver: Receiver) -> None:
    hooked.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"), baseline="scripted-strong")
    hooked.roll_out("house", share=0, shadow=True)
    hooked.ask("house")
    assert receiver.context["models"] == ["scripted-strong", "scripted"]
    wait_until(lambda: shadows(hooked) == 1)
    receiver.reply = {"action": "degrade"}
    hooked.ask("house")
    receiver.reply = {"action": "allow"}
    hooked.ask("house")
    wait_until(lambda: shadows(hooked) == 2)
    hooked.wait_until_closed(holds=5)
    assert shadows(hooked) == 2
