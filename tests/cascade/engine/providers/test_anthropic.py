"""Anthropic, by LiteLLM's translation of its messages."""

from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import ProviderFailed, ProviderRateLimited, ProviderRefused, ProviderTimeout
from cascade.engine.values import Usage
from tests.cascade.engine.providers.anthropic_wire import block, end, error, event, message, start, text
from tests.cascade.engine.providers.conftest import KEY, Serve
from tests.cascade.engine.providers.contract import SCHEMA, ProviderContract, Refusal, Seen, answering, assembled, streaming

USE = {"type": "tool_use", "id": "call_1", "name": "get_weather"}
HELLO = block(0, text(""), {"type": "text_delta", "text": "Hello"}, {"type": "text_delta", "text": " there."})
LIMITS = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-11-25T10:00:07Z", "Retry-After": "7"}


@pytest.mark.filterwarnings("ignore:Item:UserWarning")  # of LiteLLM's own types
class TestAnthropic(ProviderContract):
    slug = "anthropic"
    model = "claude-haiku-4-5"  # one that takes a temperature
    path = "/v1/messages"
    auth = ("x-api-key", KEY)
    answer = message(text("Hello there."))
    usage = stream_usage = Usage(input_tokens=130, output_tokens=15, cached_input_tokens=100, cache_write_tokens=20)
    tool_answer = message({**USE, "input": {"city": "Paris"}}, stop="tool_use")
    events = (start(), event("ping"), *HELLO, *end())
    tool_events = (
        start(),
        *block(0, text(""), {"type": "text_delta", "text": "I look it up."}),
        *block(1, {**USE, "input": {}}, *({"type": "input_json_delta", "partial_json": part} for part in ("", '{"city"', ': "Paris"}'))),
        *end("tool_use"),
    )
    error_event = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    refusals = (
        Refusal("wrong key", 401, error("authentication_error", f"invalid x-api-key {KEY}"), ProviderRefused, "key", said="[key]"),
        Refusal("no rights", 403, error("permission_error", "Your API key may not use this"), ProviderRefused, "key"),
        Refusal("no such model", 404, error("not_found_error", "model: claude-9"), ProviderRefused, "model", said="claude-9"),
        Refusal("too long", 400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000"), ProviderRefused, "request"),
        Refusal("too large", 413, error("request_too_large", "Request exceeds the maximum size"), ProviderRefused, "request"),
        Refusal("no money left", 400, error("invalid_request_error", "Your credit balance is too low"), ProviderRefused, "account"),
        Refusal("too many", 429, error("rate_limit_error", "Too many"), ProviderRateLimited, headers=LIMITS, retry_after_s=7.0),
        Refusal("broken", 500, error("api_error", "Internal server error"), ProviderFailed, said="Internal server error"),
        Refusal("overloaded", 529, error("overloaded_error", "Overloaded"), ProviderFailed, headers={"Retry-After": "3"}, retry_after_s=3.0),
        Refusal("too slow", 504, error("timeout_error", "Request timed out"), ProviderTimeout),
    )  # fmt: skip

    def check_sent(self, body: Any) -> None:
        assert body["model"] == self.model
        assert body["temperature"] == 0.5
        assert body["system"] == [text("Be brief.")]
        assert body["messages"] == [{"role": "user", "content": [text("Say hello")]}]
        assert not body.get("stream")

    def check_stream_sent(self, body: Any) -> None:
        assert body["stream"] is True

    def check_tools_sent(self, body: Any) -> None:
        (tool,) = body["tools"]
        assert (tool["name"], tool["input_schema"]) == ("get_weather", SCHEMA)

    async def test_its_version_is_named(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        await (await self.provider(serve, session, answering(self.answer, seen=seen))).complete(self.request())
        assert seen[0].headers["anthropic-version"] == "2023-06-01"

    async def test_the_mark_of_what_is_to_be_cached_is_passed_on(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        marked = {"role": "user", "content": [{**text("A long text."), "cache_control": {"type": "ephemeral"}}]}
        await (await self.provider(serve, session, answering(self.answer, seen=seen))).complete(self.request(messages=[marked]))
        assert seen[0].body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}

    async def test_an_answer_that_the_cap_cut_is_cut(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, answering(message(text("Hel"), stop="max_tokens")))
        assert (await provider.complete(self.request())).finish_reason == "length"
        provider = await self.provider(serve, session, streaming(start(), *HELLO, *end("max_tokens")))
        assert assembled([chunk async for chunk in provider.stream(self.request())]).finish_reason == "length"
