"""The simulated provider: deterministic, honest about itself, and weak where it should be."""

import ast
import json
import re
from typing import Any

import pytest

from cascade.engine.errors import ProviderTimeout
from cascade.engine.providers.simulated import SimulatedProvider
from cascade.engine.values import Completion
from tests.cascade.engine.providers.conftest import make_request

PROMPTS = [f"Tell me about topic number {n} and why gardens need water" for n in range(200)]
CODE_PROMPTS = [f"Write a python function to reverse the string s{n}" for n in range(200)]


async def ask(model: str, prompt: str, **changes: Any) -> Completion:
    return await SimulatedProvider(latency_scale=0).complete(make_request(model, prompt, **changes))


def python_of(completion: Completion) -> str:
    return completion.text.removeprefix("```python\n").split("\n```")[0]


def parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


@pytest.mark.asyncio
async def test_the_same_question_has_the_same_answer_and_says_that_it_is_simulated() -> None:
    first, second = await ask("big-model", "What is a garden?"), await ask("big-model", "What is a garden?")
    assert first == second
    assert first.text.startswith("[simulated] ")
    assert first.system_fingerprint == "simulated"
    assert first.model == "big-model"


@pytest.mark.asyncio
async def test_weak_models_fail_about_one_question_in_five_and_strong_ones_never() -> None:
    def failed(completion: Completion) -> bool:
        return completion.finish_reason == "length" or "not sure" in completion.text

    weak = [failed(await ask("gpt-4o-mini", prompt)) for prompt in PROMPTS]
    strong = [failed(await ask("gpt-4o", prompt)) for prompt in PROMPTS]
    assert 0.1 < sum(weak) / len(weak) < 0.3
    assert not any(strong)
    assert not any([failed(await ask("gemini-3.8-flash", prompt)) for prompt in PROMPTS])  # "gemini" holds no "mini"


@pytest.mark.asyncio
async def test_code_parses_except_where_a_weak_model_breaks_it() -> None:
    weak = [await ask("claude-haiku-5-5", prompt) for prompt in CODE_PROMPTS]
    broken = [one for one in weak if one.finish_reason == "stop" and not parses(python_of(one))]
    cut = [one for one in weak if one.finish_reason == "length"]
    assert broken
    assert cut
    assert 0.1 < (len(broken) + len(cut)) / len(weak) < 0.3
    assert all([parses(python_of(await ask("claude-sonnet-5-5", prompt))) for prompt in CODE_PROMPTS])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("prompt", "result"),
    [
        ("What is 17 + 25?", "42"), ("what is 6 times 7", "42"), ("Calculate 1.5 * 3", "4.5"), ("How much is 10 divided by 4?", "2.5"),
        ("12 - 20", "-8"), ("what is 9 × 9", "81"),
    ],
)  # fmt: skip
async def test_sums_are_worked_out(prompt: str, result: str) -> None:
    completion = await ask("big-model", prompt)
    assert completion.text.endswith(f"The answer is {result}.")


@pytest.mark.asyncio
@pytest.mark.parametrize("prompt", ["Is 10-20 mg a safe dose for the patient?", "Who was born on 2024-05-17?", "what is 5 divided by 0"])
async def test_what_only_looks_like_a_sum_is_none(prompt: str) -> None:
    assert "The answer is" not in (await ask("big-model", prompt)).text


@pytest.mark.asyncio
@pytest.mark.parametrize("cap", [1, 5, 20])
async def test_the_output_cap_is_kept(cap: int) -> None:
    completion = await ask("big-model", "What is a garden?", max_tokens=cap)
    assert completion.finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.output_tokens == cap
    assert len(completion.text) <= 4 * cap


@pytest.mark.asyncio
async def test_tokens_are_about_a_quarter_of_the_characters() -> None:
    completion = await ask("big-model", "x" * 4000)
    assert completion.usage is not None
    assert completion.usage.input_tokens == 1004
    assert completion.usage.output_tokens == -(-len(completion.text) // 4)


SCHEMA = {
    "type": "object",
    "required": ["city", "days", "unit", "tags", "where", "mail"],
    "properties": {
        "city": {"type": "string", "minLength": 3},
        "days": {"type": "integer", "minimum": 2, "maximum": 9},
        "unit": {"enum": ["celsius", "kelvin"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "where": {"$ref": "#/$defs/Place"},
        "mail": {"type": ["string", "null"], "format": "email"},
        "unwanted": {"type": "string"},
    },
    "$defs": {"Place": {"type": "object", "properties": {"lat": {"type": "number"}, "deep": {"anyOf": [{"type": "boolean"}]}}}},
}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "send_mail", "parameters": {}}},
]


def check_fits(value: dict[str, Any]) -> None:
    assert set(value) == set(SCHEMA["required"])
    assert len(value["city"]) >= 3
    assert 2 <= value["days"] <= 9
    assert value["unit"] == "celsius"
    assert len(value["tags"]) == 2
    assert value["where"] == {"lat": 1.5, "deep": True}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("prompt", "choice", "tool"),
    [
        ("Hello", "required", "get_weather"),
        ("Please get weather for Oslo", "auto", "get_weather"),
        ("Call send_mail now", None, "send_mail"),
        ("Hello", {"type": "function", "function": {"name": "send_mail"}}, "send_mail"),
        ("Call send_mail now", "none", None),
        ("Hello", "auto", None),
    ],
)
async def test_tools_are_called_when_asked_for(prompt: str, choice: Any, tool: str | None) -> None:
    parameters = {"tools": TOOLS} if choice is None else {"tools": TOOLS, "tool_choice": choice}
    completion = await ask("big-model", prompt, parameters=parameters)
    if tool is None:
        assert not completion.tool_calls
        return
    assert completion.finish_reason == "tool_calls"
    assert completion.tool_calls[0]["function"]["name"] == tool
    arguments = json.loads(completion.tool_calls[0]["function"]["arguments"])
    if tool == "get_weather":
        check_fits(arguments)


@pytest.mark.asyncio
async def test_a_tools_result_is_answered_in_words() -> None:
    messages = [{"role": "user", "content": "get_weather"}, {"role": "tool", "tool_call_id": "x", "content": "12 degrees"}]
    completion = await ask("big-model", "", messages=messages, parameters={"tools": TOOLS, "tool_choice": "required"})
    assert completion.text.startswith("[simulated] ")


@pytest.mark.asyncio
async def test_json_is_json() -> None:
    completion = await ask("big-model", "Tell me", parameters={"response_format": {"type": "json_object"}})
    assert json.loads(completion.text)["simulated"] is True
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}
    check_fits(json.loads((await ask("big-model", "Tell me", parameters={"response_format": wanted})).text))


@pytest.mark.asyncio
@pytest.mark.parametrize("prompt", ["What is a garden?", "Write a python function", "  spaces\n\nand lines  "])
async def test_a_stream_says_the_same_word_by_word_with_usage_last(prompt: str) -> None:
    for model in ("big-model", "gpt-4o-mini"):
        whole = await ask(model, prompt)
        chunks = [one async for one in SimulatedProvider(latency_scale=0).stream(make_request(model, prompt))]
        assert "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks[:-1]) == whole.text
        assert len(chunks) > len(re.findall(r"\S+", whole.text))
        assert chunks[-2]["choices"][0]["finish_reason"] == whole.finish_reason
        assert chunks[-1]["choices"] == []
        assert whole.usage is not None
        assert chunks[-1]["usage"]["completion_tokens"] == whole.usage.output_tokens
        assert all(one["system_fingerprint"] == "simulated" for one in chunks)


@pytest.mark.asyncio
async def test_a_stream_carries_tool_calls() -> None:
    request = make_request("big-model", "get_weather", parameters={"tools": TOOLS})
    chunks = [one async for one in SimulatedProvider(latency_scale=0).stream(request)]
    calls = [one["choices"][0]["delta"]["tool_calls"] for one in chunks[:-1] if "tool_calls" in one["choices"][0]["delta"]]
    assert calls[0][0]["index"] == 0
    check_fits(json.loads(calls[0][0]["function"]["arguments"]))


@pytest.mark.asyncio
async def test_it_takes_believable_time_and_keeps_the_deadline() -> None:
    with pytest.raises(ProviderTimeout):
        await SimulatedProvider(name="simulated").complete(make_request("big-model", timeout_s=0.05))
