"""stream=true: what is judged comes whole, what is not comes live, and never two answers in one stream."""

import json
import threading
from typing import Any

import openai
import pytest

from tests.live import DONE, answer, chunk
from tests.stage import ACCEPT, REJECT, SPOKEN, Stage, step, text_of


def stream(stage: Stage, model: str, **fields: Any) -> list[Any]:
    return list(stage.ask(model, stream=True, **fields))


def test_the_only_step_streams_live_while_the_provider_still_speaks(live_cast: Stage) -> None:
    gate = threading.Event()
    later = [chunk("left."), chunk(finish_reason="stop"), chunk(usage=(9, 4)), DONE]
    live_cast.script(parts=[chunk("", role="assistant"), chunk("Your order "), gate, *later])
    parts = iter(live_cast.ask("scripted", stream=True))
    first = [next(parts), next(parts)]
    assert text_of(first) == "Your order ", "this came while the provider was not at its end"
    gate.set()
    rest = list(parts)
    assert text_of([*first, *rest]) == "Your order left."
    last = rest[-1]
    assert last.choices[0].finish_reason == "stop"
    assert last.cascadeflow["model_used"] == "scripted"
    assert live_cast.run(last.cascadeflow["run_id"]).first_token_ms > 0
    assert {part.model for part in [*first, *rest]} == {"scripted"}, "the provider's own name for the model stays with us"
    assert {part.id for part in [*first, *rest]} == {f"chatcmpl-{last.cascadeflow['run_id']}"}


def test_a_draft_that_must_be_judged_is_buffered_and_then_streamed(live_cast: Stage) -> None:
    live_cast.script(body=answer("Your order left the warehouse on Tuesday, and it arrives within the next two working days at the latest."))
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    parts = stream(live_cast, "house")
    assert text_of(parts).startswith("Your order left")
    assert len([part for part in parts if part.choices and part.choices[0].delta.content]) > 1
    assert parts[0].choices[0].delta.role == "assistant"
    assert parts[-1].cascadeflow["draft_accepted"] is True
    (asked,) = live_cast.asked()
    assert not asked.get("stream"), "what is judged is asked for whole"


def test_the_last_step_streams_live_after_a_rejected_draft_and_only_its_answer_is_seen(live_cast: Stage) -> None:
    live_cast.script(body=answer("A draft that nobody may see."))
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    parts = stream(live_cast, "house")
    assert text_of(parts) == "Your order left."
    assert [part.choices[0].delta.role for part in parts if part.choices and part.choices[0].delta.role] == ["assistant"]
    assert [part.choices[0].finish_reason for part in parts if part.choices and part.choices[0].finish_reason] == ["stop"]
    assert parts[-1].cascadeflow["draft_accepted"] is False
    assert live_cast.asked("scripted-strong")[0]["stream"] is True


@pytest.mark.parametrize("model", ["scripted", "house"])
@pytest.mark.parametrize("wanted", [True, False])
def test_usage_comes_in_a_last_chunk_without_choices_and_only_when_it_is_wanted(live_cast: Stage, model: str, wanted: bool) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    parts = stream(live_cast, model, **({"stream_options": {"include_usage": True}} if wanted else {}))
    told = [part.usage for part in parts if part.usage]
    if wanted:
        assert parts[-1].choices == []
        assert [(usage.prompt_tokens, usage.completion_tokens) for usage in told] == [(11, 7)]
    else:
        assert told == []
        assert all(part.choices for part in parts)
    said = next(part.cascadeflow for part in parts if getattr(part, "cascadeflow", None))
    assert said["total_cost"] == "0.00000585", "the cost is booked from the usage, whether or not the caller wants to see it"


def test_the_wire_is_server_sent_events_with_headers_that_say_what_is_known_and_done_at_the_end(live_cast: Stage) -> None:
    reply = live_cast.post(model="auto", messages=[{"role": "user", "content": "Hello, what can you do for me?"}], stream=True)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-cascadeflow-run-id"]
    assert reply.headers["x-cascadeflow-policy"] == "cost_optimized_saas@builtin-1"
    lines = [line for line in reply.text.split("\n\n") if line and not line.startswith(":")]
    assert lines[-1] == "data: [DONE]"
    finish = json.loads(lines[-2].removeprefix("data: "))
    assert finish["cascadeflow"]["run_id"] == reply.headers["x-cascadeflow-run-id"]
    assert finish["choices"][0]["finish_reason"] in ("stop", "length")


def test_the_answer_is_booked_before_the_stream_ends(live_cast: Stage) -> None:
    for part in live_cast.ask("scripted", stream=True):
        if part.choices[0].finish_reason:
            assert [entry.kind for entry in live_cast.entries(part.cascadeflow["run_id"])] == ["settled"]
            return
    pytest.fail("the stream had no end")


def test_a_failure_before_the_first_word_has_its_proper_status(live_cast: Stage) -> None:
    with pytest.raises(openai.InternalServerError) as failed:
        stream(live_cast, "fault-500")
    assert (failed.value.status_code, failed.value.code) == (502, "provider_failed")


def test_a_failure_in_mid_stream_is_an_error_event_and_no_second_answer_follows(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("only", "fault-truncated-sse", "steady"))
    parts = live_cast.ask("house", stream=True)
    seen: list[Any] = []
    with pytest.raises(openai.APIError) as failed:
        seen += parts
    assert failed.value.code == "provider_bad_answer"
    reply = live_cast.post(model="house", stream=True)
    assert reply.status_code == 200
    assert not reply.text.endswith("data: [DONE]\n\n"), "a stream that broke does not look finished"
    assert '"error":' in reply.text.split("\n\n")[-2]
    assert not live_cast.upstream.stats()["by"].get(f"|{live_cast.upstream_name('steady')}"), "the second candidate was not asked"
    assert [entry.kind for entry in live_cast.entries()] == ["assumed", "assumed"]


def test_a_second_candidate_answers_live_under_its_own_name_when_the_first_cannot_be_reached(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("only", "unplugged", "scripted"))
    parts = stream(live_cast, "house")
    assert {part.model for part in parts} == {"scripted"}
    assert text_of(parts) == "Your order left."
    assert parts[-1].cascadeflow["steps_executed"][0]["attempts"] == 2


@pytest.mark.parametrize("model", ["scripted", "house"])
def test_a_stream_without_usage_is_booked_from_an_upper_count(live_cast: Stage, model: str) -> None:
    live_cast.script(body=answer(usage=None), parts=[part for part in SPOKEN if isinstance(part, bytes) or part["choices"]])
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    parts = stream(live_cast, model, stream_options={"include_usage": True})
    (entry,) = live_cast.entries(next(part.cascadeflow["run_id"] for part in parts if getattr(part, "cascadeflow", None)))
    assert entry.kind == "estimated"
    assert entry.amount_nusd > 5850


@pytest.mark.parametrize(
    "garbage",
    [
        chunk(tool_calls=[{"index": "first", "function": {"name": "f"}}]),
        {"choices": [{"index": 0, "delta": "words", "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": ["call"]}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": 5}, "finish_reason": {"a": 1}}], "usage": "much"},
        b"data: {broken\n\n",
        b"data: [1, 2]\n\n",
    ],
)
def test_garbage_in_a_stream_is_a_providers_failure_and_is_booked_at_the_bound(live_cast: Stage, garbage: Any) -> None:
    live_cast.script(parts=[garbage, DONE])
    reply = live_cast.post(model="scripted", stream=True)
    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "provider_bad_answer"
    (entry,) = live_cast.entries()
    assert entry.kind == "assumed"
    assert entry.amount_nusd == live_cast.hold(entry.reservation_id).amount_nusd


def test_while_a_draft_is_judged_comments_keep_the_connection_alive(live_cast: Stage) -> None:
    """Five seconds without a word are the test's price: it is the patience that a stream has."""
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    body = {"model": "house", "messages": [{"role": "user", "content": "Where is my order?"}], "stream": True}
    with live_cast.http() as client, client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        assert next(lines).startswith(": ")
        gate.set()
        assert "data: [DONE]" in list(lines)


def test_headers_and_the_last_chunk_say_whether_it_was_streamed_live_or_after_it_was_judged(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    for model, how in (("scripted", "live"), ("house", "buffered")):
        reply = live_cast.post(model=model, stream=True)
        assert reply.headers["x-cascadeflow-streamed"] == how
        finish = json.loads(reply.text.split("\n\n")[-3].removeprefix("data: "))
        assert finish["cascadeflow"]["streamed"] == how


@pytest.mark.parametrize("model", ["scripted", "house"])
def test_the_time_to_the_first_token_is_in_every_streams_trace(live_cast: Stage, model: str) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    run = live_cast.run(stream(live_cast, model)[-1].cascadeflow["run_id"])
    assert run.first_token_ms is not None
    assert 0 < run.first_token_ms <= run.latency_ms
    assert run.first_token_ms > 0.9 * run.latency_ms or model == "scripted", "what is judged has its first token when it is whole"
    whole = live_cast.run(live_cast.ask(model).cascadeflow["run_id"])
    assert whole.first_token_ms is None, "what is not streamed has none"


@pytest.mark.parametrize("model", ["scripted", "house"])
def test_every_chunk_before_the_last_has_no_usage_where_it_is_wanted_as_openai_does(live_cast: Stage, model: str) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    lines = live_cast.post(model=model, stream=True, stream_options={"include_usage": True}).text.split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    assert [chunk["usage"] is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert "usage" not in live_cast.post(model=model, stream=True).text


FUNCTION = {"name": "get_weather", "arguments": '{"city": "Berlin"}'}


@pytest.mark.parametrize("model", ["scripted", "house"])
def test_a_function_call_of_the_old_form_is_streamed(live_cast: Stage, model: str) -> None:
    halves = FUNCTION["arguments"][:8], FUNCTION["arguments"][8:]
    parts = [chunk(function_call={"name": "get_weather", "arguments": halves[0]}), chunk(function_call={"arguments": halves[1]})]
    live_cast.script(
        body=answer("I look it up.", function_call=FUNCTION, finish_reason="function_call"),
        parts=[*parts, chunk(finish_reason="function_call"), chunk(usage=(11, 7)), DONE],
    )
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    parts = stream(live_cast, model, functions=[{"name": "get_weather", "parameters": {"type": "object"}}])
    calls = [part.choices[0].delta.function_call for part in parts if part.choices[0].delta.function_call]
    assert [call.name for call in calls if call.name] == ["get_weather"]
    assert "".join(call.arguments for call in calls) == FUNCTION["arguments"]
    assert parts[-1].choices[0].finish_reason == "function_call"
    (entry,) = live_cast.entries(parts[-1].cascadeflow["run_id"])
    assert entry.kind == "settled"


@pytest.mark.parametrize("model", ["scripted", "house"])
def test_what_is_said_of_each_token_is_streamed_with_it(live_cast: Stage, model: str) -> None:
    tokens = [{"token": word, "logprob": -0.1, "bytes": None, "top_logprobs": []} for word in ("Your order ", "left.")]
    spoken = [chunk(token["token"]) for token in tokens]
    for part, token in zip(spoken, tokens, strict=True):
        part["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    whole = answer("Your order left.")
    whole["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
    live_cast.script(body=whole, parts=[*spoken, chunk(finish_reason="stop"), chunk(usage=(11, 7)), DONE])
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    parts = stream(live_cast, model, logprobs=True)
    said = [token for part in parts if part.choices and part.choices[0].logprobs for token in part.choices[0].logprobs.content]
    assert "".join(token.token for token in said) == text_of(parts) == "Your order left."


def test_what_else_a_judged_message_holds_is_streamed_too(live_cast: Stage) -> None:
    live_cast.script(body=answer("Your order left.", reasoning_content="It was shipped.", annotations=[]))
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
    assert '"reasoning_content":"It was shipped."' in live_cast.post(model="house", stream=True).text


def test_a_last_step_that_is_still_judged_is_not_streamed_live(live_cast: Stage) -> None:
    live_cast.add_policy("free", min_quality=0.01)
    live_cast.add_preset("house", step("only", "scripted", **ACCEPT))
    parts = stream(live_cast, "house", user="ann")
    assert parts[-1].cascadeflow["streamed"] == "buffered"
    assert not live_cast.asked()[0].get("stream")
