"""Tools, formats, pictures and every documented field reach the provider as they were sent."""

import json
from typing import Any

import openai
import pytest

from tests.live import DONE, answer, chunk
from tests.stage import ACCEPT, REJECT, Stage, step

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    },
}  # fmt: skip
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Berlin"}'}}
PERSON = {
    "type": "json_schema",
    "json_schema": {
        "name": "person", "strict": True,
        "schema": {
            "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}  # fmt: skip
PICTURE = [
    {"type": "text", "text": "What is in this picture?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
]


def test_documented_fields_reach_the_provider_untouched_and_our_own_do_not(live_cast: Stage) -> None:
    fields: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.9, "frequency_penalty": 0.1, "presence_penalty": -0.1, "seed": 42, "stop": ["END", "\n\n"], "logprobs": True,
        "top_logprobs": 2, "logit_bias": {"50256": -100}, "parallel_tool_calls": False, "reasoning_effort": "low", "metadata": {"a": "b"},
        "store": False,
    }  # fmt: skip
    live_cast.ask("scripted", **fields, user="ann", max_completion_tokens=99, extra_body={"cascadeflow": {"tier": "free"}})
    (asked,) = live_cast.asked()
    assert {name: asked[name] for name in fields} == fields
    assert asked["messages"] == [{"role": "user", "content": "Where is my order?"}]
    assert asked["user"] == str(live_cast.cast.ann.id)
    assert [asked[name] for name in ("max_tokens", "max_completion_tokens") if name in asked] == [99]
    assert not asked.keys() & {"cascadeflow", "n", "stream", "stream_options"}


def test_the_cap_is_always_sent_and_cut_to_what_the_tier_allows(live_cast: Stage) -> None:
    live_cast.ask("scripted")
    live_cast.ask("scripted", max_tokens=5000)
    live_cast.ask("scripted", max_tokens=5)
    assert [asked.get("max_completion_tokens") or asked.get("max_tokens") for asked in live_cast.asked()] == [1024, 1024, 5]


def test_a_tool_call_comes_back_as_the_provider_made_it(live_cast: Stage) -> None:
    live_cast.script(body=answer(None, tool_calls=[CALL], finish_reason="tool_calls"))
    reply = live_cast.ask("scripted", tools=[WEATHER], tool_choice="auto")
    (call,) = reply.choices[0].message.tool_calls
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("call_1", "get_weather", {"city": "Berlin"})
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.choices[0].message.content is None
    assert live_cast.asked()[0]["tools"] == [WEATHER]


def test_a_tool_call_whose_arguments_fit_passes_the_judge_and_one_that_does_not_is_escalated(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", validator="balanced"), step("escalate", "scripted-strong"))
    live_cast.script(body=answer(None, tool_calls=[CALL], finish_reason="tool_calls"))
    assert live_cast.ask("house", tools=[WEATHER]).cascadeflow["draft_accepted"] is True
    wrong = {**CALL, "function": {"name": "get_weather", "arguments": '{"town": 5}'}}
    live_cast.script(body=answer(None, tool_calls=[wrong], finish_reason="tool_calls"))
    live_cast.script("scripted-strong", body=answer(None, tool_calls=[CALL], finish_reason="tool_calls"))
    reply = live_cast.ask("house", tools=[WEATHER])
    assert reply.cascadeflow["draft_accepted"] is False
    assert json.loads(reply.choices[0].message.tool_calls[0].function.arguments) == {"city": "Berlin"}


@pytest.mark.parametrize("judged", [True, False])
def test_a_streamed_tool_call_can_be_put_together_by_the_client(live_cast: Stage, judged: bool) -> None:
    pieces = [{"index": 0, **CALL, "function": {"name": "get_weather", "arguments": ""}}]
    more = [{"index": 0, "function": {"arguments": text}} for text in ('{"city": ', '"Berlin"}')]
    parts = [chunk(role="assistant", tool_calls=pieces), *(chunk(tool_calls=[one]) for one in more)]
    parts += [chunk(finish_reason="tool_calls"), chunk(usage=(9, 9))]
    live_cast.script(body=answer(None, tool_calls=[CALL], finish_reason="tool_calls"), parts=[*parts, DONE])
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    model = "house" if judged else "scripted"
    with live_cast.openai.chat.completions.stream(
        model=model, messages=[{"role": "user", "content": "How is the weather in Berlin?"}], tools=[WEATHER]
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("call_1", "get_weather", {"city": "Berlin"})
    assert final.choices[0].finish_reason == "tool_calls"


def test_a_json_schema_is_passed_on_and_a_draft_that_breaks_it_is_escalated(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", validator="balanced"), step("escalate", "scripted-strong"))
    live_cast.script(body=answer('{"name": "Ann"}'))
    live_cast.script("scripted-strong", body=answer('{"name": "Ann", "age": 31}'))
    reply = live_cast.ask("house", "Who is she? Her name is Ann and she is 31.", response_format=PERSON)
    assert json.loads(reply.choices[0].message.content) == {"name": "Ann", "age": 31}
    assert reply.cascadeflow["draft_accepted"] is False
    assert live_cast.asked()[0]["response_format"] == live_cast.asked("scripted-strong")[0]["response_format"] == PERSON


def test_pictures_are_passed_on_and_held_for(live_cast: Stage) -> None:
    reply = live_cast.ask("scripted", PICTURE)
    assert live_cast.asked()[0]["messages"][0]["content"] == PICTURE
    assert live_cast.hold(reply.cascadeflow["run_id"]).amount_nusd > 40_000 * 150


def test_a_step_that_cannot_do_what_is_asked_is_skipped_and_where_none_can_that_is_said(live_cast: Stage) -> None:
    live_cast.add_models("script", {"text-only": live_cast.upstream_name("scripted")}, capabilities=["streaming"])
    live_cast.add_preset("house", step("draft", "text-only", **REJECT), step("escalate", "scripted-strong"))
    assert live_cast.ask("house", PICTURE).cascadeflow["model_used"] == "scripted-strong"
    assert live_cast.asked() == []
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        live_cast.ask("text-only", PICTURE, tools=[WEATHER])
    assert refused.value.code == "cannot_serve"
    assert "'text-only' cannot do tools and vision" in refused.value.message


def test_answers_with_logprobs_and_refusals_keep_them(live_cast: Stage) -> None:
    body = answer(None, refusal="I will not help with that.")
    body["choices"][0]["logprobs"] = {"content": [{"token": "I", "logprob": -0.1, "bytes": None, "top_logprobs": []}], "refusal": None}
    live_cast.script(body=body)
    choice = live_cast.ask("scripted", logprobs=True).choices[0]
    assert choice.message.refusal == "I will not help with that."
    assert choice.logprobs.content[0].token == "I"


def test_a_conversation_with_tool_results_and_all_roles_is_passed_on(live_cast: Stage) -> None:
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."}, {"role": "system", "content": "You help."},
        {"role": "user", "content": "Weather?", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
    ]  # fmt: skip
    live_cast.openai.chat.completions.create(model="scripted", messages=messages, tools=[WEATHER])  # type: ignore[arg-type]
    assert live_cast.asked()[0]["messages"] == messages


def test_content_whose_tokens_have_no_bound_is_refused_where_a_budget_blocks(live_cast: Stage) -> None:
    parts = [{"type": "text", "text": "Sum this up"}, {"type": "file", "file": {"file_id": "file-1"}}]
    live_cast.ask("scripted", parts)
    live_cast.add_budget("1")
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("scripted", parts)
    assert refused.value.status_code == 402
    assert "content of the type 'file'" in refused.value.message


def test_a_schema_that_is_none_rejects_no_run_and_leaves_no_hold_open(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    wanted = {"type": "json_schema", "json_schema": {"name": "odd", "schema": {"required": [{}], "type": [{}]}}}
    assert live_cast.ask("house", response_format=wanted).choices[0].message.content
