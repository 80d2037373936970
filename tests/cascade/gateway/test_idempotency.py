"""One call under one Idempotency-Key, however often it is sent: the first reply again, or an honest 409, never a second dispatch."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from django.db import connection

from billing.models import Budget
from tenants.scoping import tenant_scope
from tests import database
from tests.live import answer, wait_until
from tests.stage import SPOKEN, Stage

KEY = {"Idempotency-Key": "order-17"}
QUESTION = [{"role": "user", "content": "Where is my order?"}]


def test_the_same_call_again_gets_the_first_reply_and_costs_nothing(live_cast: Stage) -> None:
    live_cast.script(body=answer("On its way."))
    replies = [live_cast.post(model="scripted", headers=KEY) for _ in range(3)]
    assert {reply.status_code for reply in replies} == {200}
    assert replies[0].json() == replies[1].json() == replies[2].json()
    assert [reply.headers.get("idempotent-replayed") for reply in replies] == [None, "true", "true"]
    assert replies[0].headers["x-cascadeflow-cost"] == replies[1].headers["x-cascadeflow-cost"]
    assert replies[0].headers["x-request-id"] != replies[1].headers["x-request-id"]
    assert len(live_cast.asked()) == len(live_cast.holds()) == 1


def test_the_official_client_reads_a_replayed_stream(live_cast: Stage) -> None:
    live_cast.script(parts=SPOKEN)
    client = live_cast.openai.with_options(max_retries=8)  # the first may be a moment under way still
    texts = []
    for _ in range(2):
        stream = client.chat.completions.create(model="scripted", messages=QUESTION, stream=True, extra_headers=KEY)  # type: ignore[arg-type]
        texts.append("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))
    assert texts == ["Your order left."] * 2
    assert len(live_cast.asked()) == 1


def test_something_else_under_the_same_key_is_422(live_cast: Stage) -> None:
    live_cast.post(headers=KEY)
    for reply in (live_cast.post(headers=KEY, temperature=0.5), live_cast.post(headers={**KEY, "X-CascadeFlow-Tags": "other"})):
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert "new key" in reply.json()["error"]["message"]
    assert len(live_cast.holds()) == 1


def test_a_call_under_way_is_409_with_retry_after_and_then_its_reply(live_cast: Stage) -> None:
    gate = threading.Event()
    live_cast.script(body=answer("Late."), gate=gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(live_cast.post, model="scripted", headers=KEY)
        live_cast.wait_until_held()
        early = live_cast.post(model="scripted", headers=KEY)
        gate.set()
        told = first.result()
    assert (early.status_code, early.json()["error"]["code"], early.headers["retry-after"]) == (409, "idempotency_key_in_use", "1")
    assert live_cast.post(model="scripted", headers=KEY).json() == told.json()
    assert len(live_cast.asked()) == 1


def test_calls_that_race_under_one_key_are_dispatched_once(live_cast: Stage) -> None:
    live_cast.script(body=answer("Once."))
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: live_cast.post(model="scripted", headers=KEY), range(32)))
    assert {reply.status_code for reply in replies} <= {200, 409}
    assert any(reply.status_code == 200 for reply in replies)
    assert len(live_cast.asked()) == len(live_cast.holds()) == 1


def test_a_call_whose_process_died_is_never_made_again(live_cast: Stage) -> None:
    run = live_cast.post(headers=KEY).headers["x-cascadeflow-run-id"]
    with psycopg.connect(database.owner_dsn(), autocommit=True) as owner:  # as if it had died between the booking and the reply
        owner.execute("UPDATE billing_idempotencykey SET status = NULL WHERE reservation_id = %s", [run])
        owner.execute("UPDATE billing_reservation SET closed_at = closed_at - interval '1 minute' WHERE id = %s", [run])
    for _ in range(2):
        reply = live_cast.post(headers=KEY)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "outcome_unknown")
        assert run in reply.json()["error"]["message"]
    assert len(live_cast.holds()) == 1


def test_a_failure_that_cost_nothing_may_be_tried_again_and_one_that_may_have_cost_is_told_again(live_cast: Stage) -> None:
    assert [live_cast.post(model="fault-500", headers=KEY).status_code for _ in range(2)] == [502, 502]
    assert len(live_cast.holds()) == 2
    garbage = [live_cast.post(model="fault-garbage", headers={"Idempotency-Key": "other"}) for _ in range(2)]
    assert garbage[0].json() == garbage[1].json()
    assert garbage[1].headers["idempotent-replayed"] == "true"
    assert len(live_cast.holds()) == 3


def test_a_call_that_was_refused_may_be_made_under_its_key_once_there_is_money(live_cast: Stage) -> None:
    live_cast.add_budget("0.000001")
    assert live_cast.post(headers=KEY).status_code == 402
    with tenant_scope(live_cast.cast.acme.id):
        Budget.objects.update(limit_nusd=10**9)
    assert live_cast.post(headers=KEY).status_code == 200


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "tab\there", "ümlaut"])
def test_a_key_that_is_none_says_what_one_is(live_cast: Stage, key: str) -> None:
    reply = live_cast.post(headers=[("Idempotency-Key", key.encode())])  # type: ignore[arg-type]
    assert reply.status_code == 400
    assert "1 to 255 printable ASCII characters" in reply.json()["error"]["message"]


def kept_reply(live_cast: Stage) -> bytes:
    with tenant_scope(live_cast.cast.acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT reply FROM billing_idempotencykey")
        (kept,) = cursor.fetchone()
    return bytes(kept)


def test_the_reply_is_kept_encrypted(live_cast: Stage) -> None:
    live_cast.script(body=answer("A secret of the customer."))
    live_cast.post(model="scripted", headers=KEY)
    wait_until(lambda: len(kept_reply(live_cast)) > 100)
    assert b"secret" not in kept_reply(live_cast)


def test_globex_has_its_own_keys(live_cast: Stage) -> None:
    live_cast.post(headers=KEY)
    theirs = live_cast.post(model="demo-mini", key=live_cast.cast.globex_key, headers=KEY)
    assert "idempotent-replayed" not in theirs.headers


def test_a_run_over_rest_is_made_once_too(live_cast: Stage) -> None:
    live_cast.script(body=answer("On its way."))
    with live_cast.http(**KEY) as client:
        replies = [client.post("/api/v1/runs/", json={"query": "Where is my order?", "preset": "scripted"}) for _ in range(2)]
        other = client.post("/api/v1/runs/", json={"query": "Another question?", "preset": "scripted"})
        missing = client.post("/api/v1/runs/", json={}, headers={"Idempotency-Key": "new"})
    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[0].json() == replies[1].json()
    assert replies[1].headers["idempotent-replayed"] == "true"
    assert replies[1].headers["content-type"] == replies[0].headers["content-type"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert missing.status_code == 400
    assert len(live_cast.asked()) == 1


def test_a_failed_run_over_rest_is_told_again_as_the_same_problem(live_cast: Stage) -> None:
    with live_cast.http(**KEY) as client:
        replies: list[httpx.Response] = [client.post("/api/v1/runs/", json={"query": "Hello?", "preset": "fault-garbage"}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [502, 502]
    assert replies[1].headers["content-type"] == "application/problem+json"
    assert replies[0].json()["run_id"] == replies[1].json()["run_id"]
    assert len(live_cast.holds()) == 1


def test_a_client_that_goes_away_gets_the_whole_stream_when_it_comes_back(live_cast: Stage) -> None:
    with pytest.raises(httpx.ReadTimeout), live_cast.http(**KEY) as client:
        client.post("/v1/chat/completions", json={"model": "slow", "messages": QUESTION, "stream": True}, timeout=0.5)
    live_cast.wait_until_closed()
    reply = live_cast.post(model="slow", stream=True, messages=QUESTION, headers=KEY)
    while reply.status_code == 409:
        reply = live_cast.post(model="slow", stream=True, messages=QUESTION, headers=KEY)
    assert reply.headers["idempotent-replayed"] == "true"
    assert reply.text.rstrip().endswith("data: [DONE]")
    assert len(live_cast.holds()) == 1
