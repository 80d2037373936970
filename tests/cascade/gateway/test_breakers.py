"""The circuit breaker on the road: a connection that fails is left alone, other connections and other tenants are served."""

import time

import openai
import pytest

from cascade.models import ProviderConnection
from tenants.scoping import tenant_scope
from tests.live import answer
from tests.stage import Stage, step


def fail(stage: Stage, model: str, *, times: int = 4) -> None:
    """Each call is three tries, so four are enough."""
    for _ in range(times):
        with pytest.raises(openai.APIStatusError):
            stage.ask(model)


def test_a_connection_that_fails_is_left_alone_and_the_caller_is_told_until_when(live_cast: Stage) -> None:
    fail(live_cast, "unplugged")
    began = time.monotonic()
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("unplugged")
    assert time.monotonic() - began < 0.5
    assert (refused.value.status_code, refused.value.code) == (503, "circuit_open")
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 5
    assert "nothing was sent" in refused.value.message
    (entry,) = live_cast.entries(refused.value.response.headers["x-cascadeflow-run-id"])
    assert (entry.kind, entry.amount_nusd) == ("voided", 0)


def test_the_fallback_answers_at_once_meanwhile(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("only", "unplugged", "scripted"))
    fail(live_cast, "unplugged")
    ours = live_cast.ask("house").cascadeflow
    tries = [(one["provider"], one["outcome"], one["error_code"], one["booked"]) for one in ours["steps_executed"][0]["tries"]]
    assert tries == [("nowhere", "failed", "circuit_open", "voided"), ("script", "answered", None, "settled")]
    assert live_cast.ask("steady"), "another connection knows nothing of it"


def test_a_model_that_fails_does_not_take_the_others_of_its_connection_with_it(live_cast: Stage) -> None:
    fail(live_cast, "fault-500")
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("fault-500")
    assert refused.value.code == "circuit_open"
    assert live_cast.ask("steady")


def test_requests_that_are_refused_never_shut_the_connection(live_cast: Stage) -> None:
    live_cast.script(body={"error": {"message": "maximum context length"}}, status=400)
    fail(live_cast, "scripted", times=12)
    live_cast.script(body=answer())
    assert live_cast.ask("scripted")


def test_another_address_begins_anew_and_any_other_change_does_not(live_cast: Stage) -> None:
    fail(live_cast, "unplugged")
    with live_cast.http(live_cast.cast.acme_admin_key) as client, tenant_scope(live_cast.cast.acme.id):
        row = ProviderConnection.objects.get(name="nowhere")
        assert client.post("/api/v1/domain-rules/", json={"domain": "law", "phrase": "tort"}).status_code == 201
        time.sleep(1.1)  # keys, and with them the version of the configuration, are remembered for a second
        with pytest.raises(openai.APIStatusError) as refused:
            live_cast.ask("unplugged")
        assert refused.value.code == "circuit_open"
        client.patch(f"/api/v1/providers/{row.pk}/", json={"base_url": live_cast.scripted.url, "credential": "sk-new"})
    live_cast.scripted.scripts["unplugged"] = live_cast.scripted.scripts[live_cast.upstream_name("scripted")]
    time.sleep(1.1)
    assert live_cast.ask("unplugged")
