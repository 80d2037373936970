"""Faults that gateways of this kind have had, about providers, errors, retries and prices. Each test shows that it is not one of ours."""

import http.client
import json
import subprocess
import sys
import threading
import time
from typing import Any

import openai
import pytest

from cascade.engine.planning import DEFAULT_MAX_TOKENS
from cascade.models import ProviderConnection
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tests.live import DONE, ROOT, Script, answer, chunk, scripted_provider, wait_until
from tests.stage import ACCEPT, REJECT, Stage, step, text_of

QUESTION = "Where is my order?"
TRANSLATED_CALL = """
import asyncio
from cascade.engine.errors import ProviderUnreachable
from cascade.engine.providers.registry import build_provider
from cascade.engine.providers.transport import open_session
from cascade.engine.values import CompletionRequest, ModelConfig

async def main():
    async with open_session() as session:
        provider = build_provider(spec="anthropic", name="x", session=session, base_url="http://127.0.0.1:9", api_key="sk-x")
        model = ModelConfig(name="m", provider="x", upstream_name="a-model-that-no-price-list-knows")
        try:
            await provider.complete(CompletionRequest(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=5))
        except ProviderUnreachable:
            return
    raise SystemExit("an inner address was reached")

asyncio.run(main())
"""


def house(stage: Stage, *, draft: Any, strong: str = "scripted-strong") -> None:
    stage.add_preset("house", step("draft", "scripted", **draft), step("escalate", strong))


def failed(stage: Stage, **fields: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        stage.ask("house", **fields)
    return caught.value


def test_what_a_model_costs_is_what_the_tenant_said_and_nothing_is_printed_of_models_that_no_list_knows() -> None:
    """With a price library installed, the price that the user configured is ignored, and dozens of lines go to standard output in each run."""
    ran = subprocess.run([sys.executable, "-c", TRANSLATED_CALL], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert "Provider List" not in ran.stderr


@pytest.mark.parametrize("streamed", [False, True])
def test_when_every_provider_fails_it_is_an_error_and_never_an_empty_answer(live_cast: Stage, streamed: bool) -> None:
    """All upstreams fail, and the reply is 200 with empty content and finish reason "stop"; the failed calls are billed."""
    live_cast.script(status=500, body={"error": {"message": "made to fail"}})
    house(live_cast, draft=REJECT, strong="unplugged")
    error = failed(live_cast, stream=streamed)
    assert error.status_code == 502
    assert {(entry.kind, entry.amount_nusd) for entry in live_cast.entries()} == {("voided", 0)}


@pytest.mark.parametrize("streamed", [False, True])
def test_the_error_of_the_strong_model_reaches_the_caller_and_the_rejected_draft_does_not(live_cast: Stage, streamed: bool) -> None:
    """The strong model fails after a rejected draft: the draft is returned as the answer, and the error is lost between two results."""
    live_cast.script(body=answer("I don't know, maybe Lyon?"))
    live_cast.add_models("up", {"failing": "fault-503"})
    house(live_cast, draft=REJECT, strong="failing")
    error = failed(live_cast, stream=streamed)
    assert (error.status_code, error.code) == (502, "provider_failed")
    assert "Lyon" not in error.response.text
    assert live_cast.run(error.response.headers["x-cascadeflow-run-id"]).steps[-1]["tries"][0]["error_code"] == "provider_failed"


def test_a_stream_and_a_whole_answer_cost_the_same_by_the_providers_own_counts(live_cast: Stage) -> None:
    """What a stream costs is guessed from its words, and cached tokens are left out or counted twice."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "prompt_tokens_details": {"cached_tokens": 800}}
    parts = [chunk("Three words only"), chunk(finish_reason="stop"), chunk(usage=usage), DONE]
    live_cast.script(body=answer("Three words only", usage=usage), parts=parts)
    whole = live_cast.ask("scripted", max_tokens=600).cascadeflow
    streamed = next(part.cascadeflow for part in live_cast.ask("scripted", max_tokens=600, stream=True) if getattr(part, "cascadeflow", None))
    assert whole["total_cost"] == streamed["total_cost"] == "0.00045"


def test_models_that_are_added_or_changed_are_used_by_the_next_calls(live_cast: Stage) -> None:
    """Changing the models of a running agent raises a TypeError, always; only a restart helps."""
    with live_cast.http(live_cast.cast.acme_admin_key) as client:
        link = client.get("/api/v1/providers/").json()["results"]
        connection = next(row["id"] for row in link if row["name"] == "script")
        body = {"name": "fresh", "connection": connection, "upstream_name": live_cast.upstream_name("scripted")}
        model = client.post("/api/v1/models/", json=body)
        assert model.status_code == 201, model.text
        time.sleep(1.1)  # a key, and the version of the configuration with it, is remembered for a second
        assert live_cast.ask("fresh").cascadeflow["model_used"] == "fresh"
        changed = client.patch(f"/api/v1/models/{model.json()['id']}/", json={"upstream_name": live_cast.upstream_name("scripted-strong")})
        assert changed.status_code == 200, changed.text
        time.sleep(1.1)
        assert "Berlin" in live_cast.ask("fresh").choices[0].message.content


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["scripted", "house"])
def test_no_provider_learns_the_tenants_name_of_a_person_on_any_path(live_cast: Stage, model: str, streamed: bool) -> None:
    """On the direct path the id of the user goes into the provider's payload."""
    house(live_cast, draft=REJECT)
    reply = live_cast.ask(model, user="ann.smith@example.com", stream=streamed)
    _ = list(reply) if streamed else reply
    sent = json.dumps([*live_cast.asked(), *live_cast.asked("scripted-strong")])
    assert live_cast.asked()
    assert "ann.smith" not in sent
    assert "user_id" not in sent


@pytest.mark.parametrize("streamed", [False, True])
def test_without_a_cap_of_the_callers_answers_are_not_cut_at_a_hundred_tokens(live_cast: Stage, streamed: bool) -> None:
    """An answer's cap is 100 tokens unless the caller knows of it, so answers are cut on every path."""
    house(live_cast, draft=REJECT)
    reply = live_cast.ask("house", stream=streamed)
    _ = list(reply) if streamed else reply
    caps = [body["max_completion_tokens"] for body in (*live_cast.asked(), *live_cast.asked("scripted-strong"))]
    assert caps == [DEFAULT_MAX_TOKENS, DEFAULT_MAX_TOKENS]
    assert DEFAULT_MAX_TOKENS >= 1000


def test_a_stream_goes_to_its_own_models_endpoint_with_its_own_key(live_cast: Stage) -> None:
    """Two models of one kind of provider have different addresses and keys, and streamed calls all go to the first, with the first's key."""
    with scripted_provider() as elsewhere:
        parts = [chunk("From elsewhere."), chunk(finish_reason="stop"), chunk(usage=(9, 4)), DONE]
        elsewhere.scripts["theirs"] = Script(answer("From elsewhere."), parts)
        with tenant_scope(live_cast.cast.acme.id):
            ProviderConnection.objects.create(name="elsewhere", provider="openai", base_url=elsewhere.url, credential=Secret("sk-of-elsewhere"))
        live_cast.add_models("elsewhere", {"other": "theirs"})
        house(live_cast, draft=REJECT, strong="other")
        assert text_of(list(live_cast.ask("house", stream=True))) == "From elsewhere."
        assert live_cast.ask("house").choices[0].message.content == "From elsewhere."
        assert elsewhere.keys["theirs"] == ["Bearer sk-of-elsewhere"] * 2
        assert [bool(body.get("stream")) for body in elsewhere.asked["theirs"]] == [True, False]
    assert set(live_cast.scripted.keys[live_cast.upstream_name("scripted")]) == {"Bearer sk-of-acme"}


@pytest.mark.parametrize("words", ["Your order left the warehouse on Tuesday and arrives on Friday.", "I don't know.", "word " * 200, ""])
def test_streamed_or_not_the_same_draft_is_judged_the_same(live_cast: Stage, words: str) -> None:
    """Streamed calls are decided by other rules than whole ones: other thresholds, no forced escalation, no semantic check."""
    live_cast.script(body=answer(words or None))
    house(live_cast, draft={"validator": "balanced"})
    whole = live_cast.ask("house").cascadeflow
    streamed = next(part.cascadeflow for part in live_cast.ask("house", stream=True) if getattr(part, "cascadeflow", None))
    for told in ("model_used", "draft_accepted", "quality_metrics", "domain_detected", "complexity", "policy_version"):
        assert whole[told] == streamed[told], told


def test_a_rejected_draft_and_the_answer_after_it_are_never_run_together_in_a_stream(live_cast: Stage) -> None:
    """A client that streams is sent the draft's text and the strong model's, one behind the other."""
    live_cast.script(body=answer("A draft that nobody may see."), parts=[chunk("A draft that nobody may see."), chunk(finish_reason="stop"), DONE])
    house(live_cast, draft=REJECT)
    parts = list(live_cast.ask("house", stream=True))
    assert text_of(parts) == "Your order left."
    assert len({part.id for part in parts}) == 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"authorization": "Bearer cfk_live_wrong"}, b"{}", 401),
        ({}, b'{"model": "' + b"x" * 5_000_000 + b'"}', 413),
        ({}, b"{", 400),
    ],
)
def test_errors_say_their_length_so_that_no_client_waits_for_more(live_cast: Stage, headers: dict[str, str], body: bytes, status: int) -> None:
    """401 and 413 come without a Content-Length on HTTP/1.1: the client hangs until its own time is over."""
    connection = http.client.HTTPConnection("127.0.0.1", live_cast.site.port, timeout=10)
    try:
        given = {"authorization": f"Bearer {live_cast.cast.acme_key}", "content-type": "application/json", **headers}
        connection.request("POST", "/v1/chat/completions", body=body, headers=given)
        reply = connection.getresponse()
        told = reply.read()
        assert reply.status == status
        assert int(reply.headers["content-length"]) == len(told)
        assert json.loads(told)["error"]["message"]
    finally:
        connection.close()


def test_a_content_length_that_is_no_number_is_answered_with_400(live_cast: Stage) -> None:
    """A Content-Length that is no number drops the connection without a word."""
    connection = http.client.HTTPConnection("127.0.0.1", live_cast.site.port, timeout=10)
    try:
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("content-length", "many")
        connection.endheaders()
        assert connection.getresponse().status == 400
    finally:
        connection.close()


def test_unknown_models_and_several_answers_are_refused_and_each_reply_has_its_own_id_and_cost(live_cast: Stage) -> None:
    """Any name of a model is taken, `n` is ignored, every reply has the same id, and its cost is wrong or missing."""
    assert live_cast.post(model="no-such-model", messages=[{"role": "user", "content": QUESTION}]).status_code == 404
    assert live_cast.post(model="scripted", messages=[{"role": "user", "content": QUESTION}], n=3).status_code == 400
    replies = [live_cast.ask("scripted") for _ in range(2)]
    assert replies[0].id != replies[1].id
    assert [reply.cascadeflow["total_cost"] for reply in replies] == ["0.00000585"] * 2


def test_times_are_measured_and_an_accepted_draft_never_wakes_the_strong_model(live_cast: Stage) -> None:
    """The overhead of a cascade is a negative number, a speed-up is divided out of a default, and the strong model is said to start early."""
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    house(live_cast, draft=ACCEPT)

    def answer_late() -> None:
        wait_until(lambda: bool(live_cast.asked()))
        time.sleep(0.15)
        gate.set()

    threading.Thread(target=answer_late).start()
    began = time.perf_counter()
    ours = live_cast.ask("house").cascadeflow
    elapsed_ms = (time.perf_counter() - began) * 1000
    steps = ours["steps_executed"]
    assert [one["name"] for one in steps] == ["draft"]
    assert 100 <= steps[0]["tries"][0]["latency_ms"] <= steps[0]["latency_ms"] <= ours["latency_ms"] <= elapsed_ms
    assert not {"speedup", "cascade_overhead_ms"} & set(ours)
    assert live_cast.asked("scripted-strong") == []


def test_the_next_step_begins_after_the_verdict_and_the_times_add_up(live_cast: Stage) -> None:
    """The strong model is said to start beside the judging of a weak draft; in truth the judging is over before it could begin."""
    house(live_cast, draft=REJECT)
    ours = live_cast.ask("house").cascadeflow
    draft, strong = ours["steps_executed"]
    assert draft["status"] == "rejected"
    assert draft["latency_ms"] + strong["latency_ms"] <= ours["latency_ms"]
