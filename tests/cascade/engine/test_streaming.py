"""A stream put together again is the answer that it would have been whole."""

from typing import Any

from cascade.engine.streaming import StreamAssembler
from tests.live import chunk


def assembled(*parts: dict[str, Any]) -> Any:
    assembler = StreamAssembler(provider="p")
    for part in parts:
        assembler.add(part)
    return assembler


def with_logprobs(text: str, *tokens: str) -> dict[str, Any]:
    part = chunk(text)
    part["choices"][0]["logprobs"] = {"content": [{"token": token, "logprob": -0.1} for token in tokens], "refusal": None}
    return part


def test_a_function_call_of_the_old_form_is_put_together() -> None:
    parts = (
        chunk(function_call={"name": "get_weather", "arguments": ""}), chunk(function_call={"arguments": '{"city": '}),
        chunk(function_call={"arguments": '"Berlin"}'}), chunk(finish_reason="function_call"),
    )  # fmt: skip
    found = assembled(*parts)
    assert found.has_content
    assert found.completion().message["function_call"] == {"name": "get_weather", "arguments": '{"city": "Berlin"}'}
    assert found.completion().finish_reason == "function_call"


def test_tool_calls_of_one_message_are_told_apart_by_their_index() -> None:
    found = assembled(
        chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]),
        chunk(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
    )
    assert [(call["id"], call["function"]["arguments"]) for call in found.completion().tool_calls] == [("a", "{}"), ("b", "{}")]
    assert "function_call" not in found.completion().message


def test_what_is_said_of_each_token_is_kept_in_order() -> None:
    found = assembled(with_logprobs("Hello", "Hel", "lo"), with_logprobs(" you", " you"), chunk(finish_reason="stop")).completion()
    assert [token["token"] for token in found.logprobs["content"]] == ["Hel", "lo", " you"]
    assert assembled(chunk("Hello")).completion().logprobs is None
