"""What is booked is what the provider bills, to the nano-dollar, also for callers who go away."""

import contextlib
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from tests.live import DONE, answer, chunk
from tests.stage import ACCEPT, REJECT, Stage, step

BODY = {"messages": [{"role": "user", "content": "Where is my order?"}]}


def test_the_ledger_equals_what_the_provider_bills_for_a_mixed_bag_of_calls(live_cast: Stage) -> None:
    live_cast.add_budget("1")
    live_cast.add_preset("house", step("draft", "steady", **ACCEPT), step("escalate", "steady-strong"))
    live_cast.add_models("up", {"steady-strong": live_cast.upstream_name("strong")}, price=("2.50", "10"))

    def call(number: int) -> None:
        models = ("steady", "house", "steady-strong", "fault-500", "fault-garbage")
        fields: dict[str, Any] = {"user": ("ann", "ben", "walt")[number % 3], "stream": number % 4 == 1 and number % 5 < 3, "max_tokens": 40 + number}
        with pytest.raises(openai.InternalServerError) if number % 5 > 2 else contextlib.nullcontext():
            reply = live_cast.ask(models[number % 5], "x" * 37 * number + "?", **fields)
            _ = list(reply) if fields["stream"] else reply

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(40)))
    booked: dict[tuple[str, str], int] = defaultdict(int)
    for entry in live_cast.entries():
        if entry.kind == "settled":
            booked[str(entry.end_user_id), entry.model] += entry.amount_nusd
    billed: dict[tuple[str, str], int] = defaultdict(int)
    rates = {live_cast.upstream_name("steady"): ("steady", 150, 600), live_cast.upstream_name("strong"): ("steady-strong", 2500, 10_000)}
    for name, row in live_cast.upstream.stats()["by"].items():
        user, _, model = name.partition("|")
        if model in rates:
            ours, asked, said = rates[model]
            billed[user, ours] += row["prompt_tokens"] * asked + row["completion_tokens"] * said
    assert booked == billed
    assert sum(billed.values()) > 1_000_000
    assumed = [entry for entry in live_cast.entries() if entry.kind == "assumed"]
    assert len(assumed) == 8, "what sent garbage billed too, and is booked at the bound"
    (window,) = live_cast.windows()
    assert window.spent_nusd == sum(billed.values()) + sum(entry.amount_nusd for entry in assumed)
    assert window.held_nusd == 0


def test_a_caller_who_goes_away_in_mid_stream_is_booked_to_the_end(live_cast: Stage) -> None:
    gate = threading.Event()
    rest = [*[chunk("x" * 1000)] * 50, chunk(finish_reason="stop"), chunk(usage=(9, 44)), DONE]
    live_cast.script(parts=[chunk("", role="assistant"), chunk("Your order "), gate, *rest])
    with live_cast.http() as client, client.stream("POST", "/v1/chat/completions", json={**BODY, "model": "scripted", "stream": True}) as reply:
        assert next(reply.iter_lines()).startswith("data: ")
    gate.set()
    live_cast.wait_until_closed()
    (entry,) = live_cast.entries()
    assert (entry.kind, entry.input_tokens, entry.output_tokens) == ("settled", 9, 44)
    assert live_cast.run(entry.reservation_id).status == "served"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_caller_who_goes_away_before_the_first_word_is_booked_to_the_end(live_cast: Stage, streamed: bool) -> None:
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    with pytest.raises(httpx.ReadTimeout), live_cast.http() as client:
        client.post("/v1/chat/completions", json={**BODY, "model": "house", "stream": streamed}, timeout=0.2)
    gate.set()
    live_cast.wait_until_closed()
    assert [(entry.step, entry.kind) for entry in live_cast.entries()] == [("draft", "settled"), ("escalate", "settled")]


def test_a_caller_who_goes_away_in_mid_body_costs_nothing(live_cast: Stage) -> None:
    def parts() -> Any:
        yield b'{"model": "steady", '
        raise ConnectionAbortedError

    with live_cast.http() as client, pytest.raises(ConnectionAbortedError):
        client.post("/v1/chat/completions", content=parts())
    assert live_cast.ask("steady")
    assert len(live_cast.holds()) == 1


def test_an_answer_without_usage_is_estimated_from_above(live_cast: Stage) -> None:
    ours = live_cast.ask("fault-no-usage").cascadeflow
    (entry,) = live_cast.entries(ours["run_id"])
    hold = live_cast.hold(ours["run_id"])
    assert entry.kind == "estimated"
    assert 181_200 < entry.amount_nusd <= hold.amount_nusd, "8 and 300 tokens were billed"


def test_cached_and_reasoning_tokens_are_told_and_booked(live_cast: Stage) -> None:
    usage = {
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }  # fmt: skip
    live_cast.script(body=answer(usage=usage))
    reply = live_cast.ask("scripted")
    assert reply.usage.prompt_tokens_details.cached_tokens == 60
    assert reply.usage.completion_tokens_details.reasoning_tokens == 30
    (entry,) = live_cast.entries(reply.cascadeflow["run_id"])
    assert (entry.input_tokens, entry.cached_input_tokens, entry.output_tokens, entry.reasoning_tokens) == (100, 60, 50, 30)


def test_every_entry_names_what_it_was_for(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    ours = live_cast.ask("house", user="ann", extra_headers={"X-CascadeFlow-Tags": "search"}).cascadeflow
    (entry,) = live_cast.entries(ours["run_id"])
    assert (entry.step, entry.outcome, entry.provider, entry.model) == ("draft", "accepted", "script", "scripted")
    assert (entry.tier, entry.domain, entry.preset, entry.tags) == ("free", "general", "house@1", ["search"])
    assert (entry.end_user_id, entry.api_key_id) == (live_cast.cast.ann.id, live_cast.key_id())
    assert entry.provider_request_id == "chatcmpl-theirs"
    assert entry.price_version
    hold = live_cast.hold(ours["run_id"])
    assert (hold.state, len(hold.legs), hold.actual_nusd) == ("settled", 2, entry.amount_nusd)
    run = live_cast.run(ours["run_id"])
    assert (run.cost_nusd, run.baseline_nusd, run.draft_accepted, run.policy_version) == (5850, 11 * 2500 + 7 * 10_000, True, "house@1")
