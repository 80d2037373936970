"""Callbacks on the one road, on a live site: allow, warn, degrade, block, fewer models, and what happens when one has no answer."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from cascade.hook_secrets import change_hook, create_hook, roll_secret
from cascade.hooks import callback_problems, callbacks_of_installation
from cascade.models import CascadeRun, CatalogModel, EnforcementHook, ProviderConnection
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tenants.services import OVERLAPS
from tenants.webhooks import new_webhook_secret
from tests import live
from tests.cast import Cast
from tests.live import ScriptedProvider, Server, free_port, wait_until
from tests.rest import Rest
from tests.stage import ACCEPT, REJECT, Stage, breaks, raise_stage, step
from tests.webhooks import verified


@dataclass
class Receiver:
    """The tenant's own service: answers what the test says, and keeps what it was sent."""

    url: str = ""
    reply: Any = field(default_factory=lambda: {"action": "allow"})
    status: int = 200
    gate: threading.Event | None = None
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def context(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.asked[-1][1])["data"]
        return told


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if kept.gate is not None:
                kept.gate.wait(10)
            reply = kept.reply if isinstance(kept.reply, bytes) else json.dumps(kept.reply).encode()
            self.send_response(kept.status)
            self.send_header("location", "http://169.254.169.254/")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.url = f"http://127.0.0.1:{server.server_port}/check"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield kept
    if kept.gate is not None:
        kept.gate.set()
    server.shutdown()
    server.server_close()


def add_hook(stage: Stage, url: str, **values: Any) -> tuple[EnforcementHook, str]:
    with tenant_scope(stage.cast.acme.id):
        return create_hook(values={"name": "policy", "url": url, **values})


@pytest.fixture
def hooked(live_cast: Stage, receiver: Receiver) -> Stage:
    add_hook(live_cast, receiver.url, timeout_ms=500)
    return live_cast


def refused(stage: Stage, model: str = "steady", **fields: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as failure:
        stage.ask(model, **fields)
    return failure.value


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
            _, second = roll_secret(hook=hook, overlap=OVERLAPS["1h"], now=hook.created_at)
        wait_until(lambda: bool(live_cast.ask()) and verified(*receiver.asked[-1], secret=second))
        assert verified(*receiver.asked[-1], secret=first)
        with tenant_scope(live_cast.cast.acme.id):
            _, third = roll_secret(hook=hook, overlap=OVERLAPS["0s"], now=hook.created_at)
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
        failure = refused(hooked, user="ann")
        assert (failure.status_code, failure.code) == (402, "blocked_by_callback")
        assert failure.message.count("The callback policy says block: contract ended. Nothing was sent.") == 1
        assert failure.response.headers["x-should-retry"] == "false"
        assert failure.response.json()["cascadeflow"] == {"callback": "policy", "reason": "contract ended"}
        assert hooked.holds() == []
        streamed = refused(hooked, stream=True)
        assert streamed.status_code == 402

    def test_block_stays_402_where_a_spent_budget_is_429(self, hooked: Stage, receiver: Receiver) -> None:
        with platform_scope():
            Tenant.objects.filter(id=hooked.cast.acme.id).update(budget_refusal_status=429)
        receiver.reply = {"action": "block"}
        assert refused(hooked).status_code == 402

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
        failure = refused(hooked)
        assert (failure.status_code, failure.code) == (403, "model_not_allowed")
        assert "an enforcement callback leaves 'steady' out" in failure.message

    def test_a_degraded_call_still_asks_none_that_it_left_out(self, hooked: Stage, receiver: Receiver) -> None:
        hooked.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
        receiver.reply = {"action": "degrade", "models": ["scripted", "scripted-strong"]}
        said = hooked.ask("house").cascadeflow
        assert said["rung"] != "cheaper_path"
        assert said["model_used"] in ("scripted", "scripted-strong")


HI = [{"role": "user", "content": "Hi"}]
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


NO_ANSWERS = [
    ({"status": 500}, "it answered with the status 500 instead of 200"),
    ({"status": 302}, "it answered with the status 302 instead of 200"),
    ({"reply": b"yes"}, "its answer is not"),
    ({"reply": {"action": "deny"}}, "its answer is not"),
    ({"reply": b"[" * 60_000}, "its answer is not"),
    ({"reply": b" " * 70_000}, "it broke off before its answer was complete"),
]  # fmt: skip


class TestWithoutAnAnswer:
    @pytest.mark.parametrize(("way", "reason"), NO_ANSWERS, ids=[str(number) for number in range(len(NO_ANSWERS))])
    def test_it_is_open_where_no_budget_blocks_and_closed_where_one_does(
        self, hooked: Stage, receiver: Receiver, way: dict[str, Any], reason: str
    ) -> None:
        for name, value in way.items():
            setattr(receiver, name, value)
        hooked.add_budget("5", action="degrade")
        warned = hooked.ask().cascadeflow["budget_warnings"]
        assert len(warned) == 1
        assert warned[0].startswith(f"The callback policy has no answer ({reason}")
        hooked.add_budget("5", period="monthly")
        failure = refused(hooked)
        assert (failure.status_code, failure.code) == (503, "enforcement_unavailable")
        assert failure.response.headers["retry-after"] == "2"
        assert reason in failure.message
        assert failure.response.json()["cascadeflow"]["callbacks"][0]["callback"] == "policy"
        assert len(hooked.holds()) == 1

    def test_one_that_hangs_is_given_up_on(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.gate = threading.Event()
        assert "no answer within 0.5 s" in hooked.ask().cascadeflow["budget_warnings"][0]

    def test_one_that_is_gone_cannot_be_reached(self, live_cast: Stage) -> None:
        add_hook(live_cast, f"http://127.0.0.1:{free_port()}/")
        assert "it cannot be reached" in live_cast.ask().cascadeflow["budget_warnings"][0]

    def test_an_address_that_is_not_allowed_is_never_asked(self, live_cast: Stage) -> None:
        with tenant_scope(live_cast.cast.acme.id):
            EnforcementHook.objects.create(name="inside", url="http://169.254.169.254/latest", secret="whsec_" + "QUFB" * 11)
        assert "it cannot be reached" in live_cast.ask().cascadeflow["budget_warnings"][0]

    def test_switched_off_it_is_asked_no_more(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "block"}
        assert refused(hooked).status_code == 402
        with tenant_scope(hooked.cast.acme.id):
            EnforcementHook.objects.update(is_active=False)
        wait_until(lambda: "error" not in hooked.post().json())


@pytest.mark.parametrize(
    ("paths", "seconds", "problem"),
    [
        (["nowhere.at_all"], 1.0, "cannot be imported"), (["tests.cascade.rules.nobody"], 1.0, "cannot be imported"),
        (["tests.live.START_SECONDS"], 1.0, "nothing that can be called"), (["tests.live.Server"], 1.0, "nothing that can be called"),
        (["tests.cascade.rules.by_name"], 0.0, "must be more than 0"), (["tests.cascade.rules.by_name"], 11.0, "at most 10"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_asked_ends_the_start(settings: Any, paths: list[str], seconds: float, problem: str) -> None:
    settings.ENFORCEMENT_CALLBACKS, settings.ENFORCEMENT_CALLBACK_SECONDS = paths, seconds
    assert problem in callback_problems()[0]
    with pytest.raises(ImproperlyConfigured, match=problem):
        callbacks_of_installation()


@pytest.fixture(scope="module")
def site_with_rules(django_db_setup: None) -> Iterator[Server]:
    rules = "tests.cascade.rules.by_name,tests.cascade.rules.careful"
    with live.site(ENFORCEMENT_CALLBACKS=rules, ENFORCEMENT_CALLBACK_SECONDS="0.5") as server:
        yield server


@pytest.fixture
def ruled(site_with_rules: Server, upstream: Server, scripted: ScriptedProvider, django_db_blocker: pytest.FixtureRequest) -> Iterator[Stage]:
    with django_db_blocker.unblock():
        before = breaks()
        stage = raise_stage(site=site_with_rules, upstream=upstream, scripted=scripted)
        yield stage
        stage.wait_until_closed(holds=0)
        assert breaks() - before == set()


class TestCallablesOfTheInstallation:
    def test_they_decide_for_every_tenant(self, ruled: Stage) -> None:
        assert refused(ruled, user="refused").code == "blocked_by_callback"
        assert ruled.ask(user="watched").cascadeflow["budget_warnings"] == ["The callback careful says warn"]
        assert ruled.ask(user="ann").cascadeflow["budget_warnings"] == []

    @pytest.mark.parametrize(("user", "reason"), [("slow", "no answer within 0.5 s"), ("broken", "it raised an error")])
    def test_one_that_fails_or_hangs_is_open_without_and_closed_with_a_budget_that_blocks(self, ruled: Stage, user: str, reason: str) -> None:
        assert reason in ruled.ask(user=user).cascadeflow["budget_warnings"][0]
        ruled.add_budget("5")
        failure = refused(ruled, user=user)
        assert (failure.status_code, failure.code) == (503, "enforcement_unavailable")
        assert reason in failure.message
        assert "sk-secret" not in failure.message


def unreadable(hook: EnforcementHook) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cascade_enforcementhook SET secret = 'lost' WHERE id = %s", [hook.pk])


class TestSecrets:
    def test_one_that_cannot_be_read_is_said_and_cured_by_rolling_it(self, live_cast: Stage, receiver: Receiver) -> None:
        hook, _ = add_hook(live_cast, receiver.url)
        with tenant_scope(live_cast.cast.acme.id):
            unreadable(hook)
        wait_until(lambda: live_cast.ask().cascadeflow["budget_warnings"] != [])
        assert "its signing secret cannot be read: roll it" in live_cast.ask().cascadeflow["budget_warnings"][0]
        with tenant_scope(live_cast.cast.acme.id):
            roll_secret(hook=hook, overlap=OVERLAPS["24h"], now=hook.created_at)
        wait_until(lambda: live_cast.ask().cascadeflow["budget_warnings"] == [])

    def test_a_change_beside_a_roll_keeps_the_new_secret(self, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            hook, _ = create_hook(values={"name": "policy", "url": "https://acme.example/check?team=a"})
            read_before = EnforcementHook.objects.get()
            _, rolled = roll_secret(hook=hook, overlap=OVERLAPS["1h"], now=hook.created_at)
            change_hook(hook=read_before, changes={"timeout_ms": 100})
            stored = EnforcementHook.objects.get()
        assert (stored.secret.reveal(), stored.timeout_ms, stored.old_secret_until is not None) == (rolled, 100, True)


HOOK = {"name": "policy", "url": "https://acme.example/check"}


class TestRest:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"url": "http://169.254.169.254/latest"}, "url"), ({"url": "https://10.0.0.1/"}, "url"), ({"url": "ftp://acme.example"}, "url"),
            ({"url": "https://user:pw@acme.example/"}, "url"), ({"url": "https://acme.example/#x"}, "url"), ({"url": ""}, "url"),
            ({"url": "https://acme.example/?a=<b>"}, "url"), ({"url": f"https://acme.example/{'x' * 500}"}, "url"), ({"url": 7.5}, "url"),
            ({"url": "http://acme.example/"}, "url"), ({"url": None}, "url"), ({"name": "Not A Slug"}, "name"), ({"name": "x" * 65}, "name"),
            ({"secret": "hunter2"}, "secret"), ({"secret": "whsec_" + "QUJD" * 40}, "secret"), ({"timeout_ms": 49}, "timeout_ms"),
            ({"timeout_ms": 2001}, "timeout_ms"), ({"timeout_ms": "soon"}, "timeout_ms"), ({"tiers": ["nope"]}, "tiers"),
            ({"tiers": "free"}, "tiers"), ({"tiers": [7]}, "tiers"), ({"is_active": "perhaps"}, "is_active"),
            ({"old_secret_until": "2027-01-01T00:00:00Z"}, "old_secret_until"),
            ({"surprise": 1}, "surprise"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_told_by_field_and_no_secret_is_repeated(
        self, cast: Cast, settings: Any, changes: dict[str, Any], field: str
    ) -> None:
        settings.ALLOW_PRIVATE_ENDPOINTS = []
        answer = Rest(cast.acme_admin_key).send("post", "enforcement-hooks/", {**HOOK, **changes})
        assert answer.status_code == 400, answer.content
        assert [name.split(".")[0] for name in answer.json()["errors"]] == [field]
        assert b"hunter2" not in answer.content
        with tenant_scope(cast.acme.id):
            assert not EnforcementHook.objects.exists()

    def test_ones_own_secret_is_taken_and_cannot_be_patched(self, cast: Cast) -> None:
        acme, own = Rest(cast.acme_admin_key), new_webhook_secret()
        made = acme.make("enforcement-hooks/", **HOOK, secret=own, tiers=["free", "enterprise"])
        assert (made["secret"], made["tiers"]) == (own, ["enterprise", "free"])
        path = f"enforcement-hooks/{made['id']}/"
        assert acme.send("patch", path, {"secret": new_webhook_secret()}).status_code == 400
        assert acme.send("patch", path, {"tiers": ["nope"]}).status_code == 400
        assert acme.send("post", f"{path}roll/", {"overlap": "9y"}).status_code == 400
        assert acme.send("post", "enforcement-hooks/", HOOK).status_code in (400, 409)
        assert acme.send("delete", path).status_code == 204

    def test_five_are_the_most(self, cast: Cast) -> None:
        acme = Rest(cast.acme_admin_key)
        for number in range(5):
            acme.make("enforcement-hooks/", **{**HOOK, "name": f"policy-{number}"})
        sixth = acme.send("post", "enforcement-hooks/", HOOK)
        assert (sixth.status_code, sixth.json()["code"]) == (409, "too_many_hooks")

    def test_a_secret_is_shown_once_and_rolled(self, live_cast: Stage, receiver: Receiver) -> None:
        acme = Rest(live_cast.cast.acme_admin_key)
        made = acme.make("enforcement-hooks/", name="policy", url=receiver.url, tiers=["pro"], timeout_ms=750)
        assert made["secret"].startswith("whsec_")
        path = f"enforcement-hooks/{made['id']}/"
        assert "secret" not in acme.get(path).json()
        rolled = acme.send("post", f"{path}roll/", {"overlap": "24h"})
        assert rolled.status_code == 201
        assert rolled.json()["secret"] != made["secret"]
        assert rolled.json()["old_secret_until"]
        assert acme.send("patch", path, {"is_active": False}).json()["is_active"] is False

    def test_trying_one_out_asks_it_and_tells_what_it_said(self, live_cast: Stage, receiver: Receiver, settings: Any) -> None:
        settings.ALLOW_PRIVATE_ENDPOINTS = ["127.0.0.0/8"]
        acme = Rest(live_cast.cast.acme_admin_key)
        made = acme.make("enforcement-hooks/", name="policy", url=receiver.url)
        receiver.reply = {"action": "degrade", "reason": "trial", "models": ["b", "a"]}
        told = acme.send("post", f"enforcement-hooks/{made['id']}/test/").json()
        assert (told["is_ok"], told["action"], told["reason"], told["models"], told["problem"]) == (True, "degrade", "trial", ["a", "b"], None)
        assert receiver.context["user_id"] == "test"
        assert verified(*receiver.asked[-1], secret=made["secret"])
        receiver.status = 404
        told = acme.send("post", f"enforcement-hooks/{made['id']}/test/").json()
        assert (told["is_ok"], told["action"], told["problem"]) == (False, None, "it answered with the status 404 instead of 200")
