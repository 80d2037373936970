"""Providers by LiteLLM's translation, against servers that speak the providers' documented wire formats."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession, web

from cascade.engine.errors import (
    InvalidRequest,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from cascade.engine.providers.litellm import LiteLLMProvider
from cascade.engine.providers.transport import open_session
from cascade.engine.values import CompletionRequest, Usage
from tests.cascade.engine.providers.conftest import Serve, ServeRaw, free_port, make_request

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]  # the first call imports LiteLLM
pytestmark.append(pytest.mark.filterwarnings("ignore:Item:UserWarning"))  # of LiteLLM's own types
KEY = "sk-ant-0123456789abcdef"
COUNTS = {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 5}
MESSAGE = {
    "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": COUNTS,
}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {**COUNTS, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " world"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 15}},
    {"type": "message_stop"},
]


def anthropic(session: ClientSession, url: str) -> LiteLLMProvider:
    return LiteLLMProvider(name="acme-anthropic", prefix="anthropic", base_url=url.removesuffix("/v1"), session=session, api_key=KEY)


def ask(**changes: Any) -> CompletionRequest:
    return make_request("claude-haiku-4-5", **{"timeout_s": 10.0, **changes})


def replying(payload: Any, *, status: int = 200, seen: list[Any] | None = None, headers: dict[str, str] | None = None) -> Any:
    async def handler(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append((request.path_qs, dict(request.headers), await request.json()))
        return web.json_response(payload, status=status, headers=headers)

    return handler


def streaming(events: list[dict[str, Any]]) -> Any:
    body = b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/event-stream")

    return handler


def error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


async def test_a_message_is_sent_and_read_in_anthropics_format(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello"}]
    provider = anthropic(session, await serve(replying(MESSAGE, seen=seen)))
    completion = await provider.complete(ask(messages=messages, parameters={"temperature": 0.5, "n": 3, "max_tokens": 9999}))
    path, headers, body = seen[0]
    assert path == "/v1/messages"
    assert headers["x-api-key"] == KEY
    assert headers["anthropic-version"]
    assert body["model"] == "claude-haiku-4-5"
    assert body["max_tokens"] == 400
    assert body["temperature"] == 0.5
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hello"}]}]
    assert "n" not in body
    assert completion.message == {"role": "assistant", "content": "Hello."}
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(input_tokens=130, output_tokens=5, cached_input_tokens=100, cache_write_tokens=20)


async def test_tools_are_translated_both_ways(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    content = [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}]
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": schema}}]
    url = await serve(replying({**MESSAGE, "content": content, "stop_reason": "tool_use"}, seen=seen))
    completion = await anthropic(session, url).complete(ask(parameters={"tools": tools}))
    assert seen[0][2]["tools"][0]["name"] == "get_weather"
    assert completion.finish_reason == "tool_calls"
    call = completion.tool_calls[0]
    assert (call["id"], call["type"], call["function"]["name"]) == ("toolu_1", "function", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}


async def test_a_stream_without_usage_brings_none_whatever_litellm_counts(session: ClientSession, serve: Serve) -> None:
    candidate = {"content": {"role": "model", "parts": [{"text": 'Hello "usage" "usageMetadata"'}]}, "finishReason": "STOP"}
    body = b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/event-stream")

    provider = LiteLLMProvider(name="acme-vertex", prefix="gemini", base_url=await serve(handler), session=session, api_key=KEY)
    chunks = [one async for one in provider.stream(make_request("gemini-3.8-flash"))]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in one for one in chunks)


async def test_an_answer_without_usage_is_broken_for_litellm_does_not_read_it(session: ClientSession, serve: Serve) -> None:
    url = await serve(replying({name: value for name, value in MESSAGE.items() if name != "usage"}))
    with pytest.raises(ProviderBroken) as caught:
        await anthropic(session, url).complete(ask())
    assert "Hello" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_a_stream_brings_words_then_the_finish_then_usage(session: ClientSession, serve: Serve) -> None:
    chunks = [one async for one in anthropic(session, await serve(streaming(EVENTS))).stream(ask())]
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks[:-1]) == "Hello world"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    usage = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (130, 15, 100)
    assert "cost" not in usage


async def test_a_stream_left_early_gives_its_connection_back(session: ClientSession, serve: Serve) -> None:
    stream = anthropic(session, await serve(streaming(EVENTS))).stream(ask())
    await anext(stream)
    await stream.aclose()
    assert session.connector is not None
    assert not session.connector._acquired


@pytest.mark.parametrize("upto", [1, 4, 5, 6])
async def test_a_stream_that_breaks_off_is_broken_whatever_finish_litellm_makes_up(session: ClientSession, serve: Serve, upto: int) -> None:
    seen: list[Any] = []
    provider = anthropic(session, await serve(streaming(EVENTS[:upto])))
    with pytest.raises(ProviderBroken, match="before the answer was finished"):
        seen.extend([one async for one in provider.stream(ask())])
    assert not any(choice.get("finish_reason") for one in seen for choice in one["choices"])


async def test_an_error_in_mid_stream_is_broken(session: ClientSession, serve: Serve) -> None:
    provider = anthropic(session, await serve(streaming([*EVENTS[:4], error("overloaded_error", "Overloaded")])))
    with pytest.raises(ProviderBroken, match="an error in its midst"):
        [one async for one in provider.stream(ask())]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", ProviderRefused), (401, "authentication_error", ProviderRefused),
        (404, "not_found_error", ProviderRefused), (413, "request_too_large", ProviderRefused),
        (429, "rate_limit_error", ProviderRateLimited), (500, "api_error", ProviderFailed),
        (529, "overloaded_error", ProviderFailed), (504, "timeout_error", ProviderTimeout),
    ],
)  # fmt: skip
async def test_statuses_become_their_errors_and_nothing_is_sent_twice(
    session: ClientSession, serve: Serve, status: int, kind: str, expected: type[ProviderError], stream: bool
) -> None:
    seen: list[Any] = []
    reply = replying(error(kind, f"Because of {KEY}"), status=status, seen=seen, headers={"Retry-After": "7"})
    provider = anthropic(session, await serve(reply))
    with pytest.raises(ProviderError) as caught:
        await (anext(provider.stream(ask())) if stream else provider.complete(ask()))
    assert type(caught.value) is expected
    assert caught.value.upstream_status == status
    assert caught.value.message == f"acme-anthropic answered with status {status}: Because of [key]"
    assert len(seen) == 1
    if status == 429:
        assert caught.value.retry_after_s == 7.0


async def test_network_failures_are_told_as_by_the_other_providers(session: ClientSession, serve_raw: ServeRaw) -> None:
    visits: list[int] = []

    async def reset(reader: Any, writer: Any) -> None:
        visits.append(1)
        await reader.read(100)
        writer.transport.abort()

    async def silent(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    with pytest.raises(ProviderBroken):
        await anthropic(session, f"http://127.0.0.1:{await serve_raw(reset)}").complete(ask())
    assert len(visits) == 1  # LiteLLM's own client would have tried again
    with pytest.raises(ProviderTimeout):
        await anthropic(session, f"http://127.0.0.1:{await serve_raw(silent)}").complete(ask(timeout_s=0.4))
    with pytest.raises(ProviderUnreachable):
        await anthropic(session, f"http://127.0.0.1:{free_port()}").complete(ask())


@pytest.mark.parametrize("prefix", ["anthropic", "gemini", "cohere_chat"])
async def test_no_provider_reaches_an_inner_address(serve: Serve, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    url = await serve(replying(MESSAGE, seen=seen))
    monkeypatch.setenv("HTTP_PROXY", url)
    async with open_session() as guarded:
        provider = LiteLLMProvider(name="acme", prefix=prefix, base_url=url, session=guarded, api_key=KEY)
        with pytest.raises(ProviderUnreachable):
            await provider.complete(ask())
        with pytest.raises(ProviderUnreachable):
            [one async for one in provider.stream(ask())]
    assert not seen


async def test_a_parameter_that_cannot_be_translated_is_refused_by_name_and_nothing_is_sent(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    provider = anthropic(session, await serve(replying(MESSAGE, seen=seen)))
    for name in ("seed", "mock_response", "api_base", "fallbacks", "metadata"):
        with pytest.raises(ProviderRefused, match=name) as caught:
            await provider.complete(ask(parameters={name: "x" if name != "seed" else 3}))
        assert not caught.value.sent
    assert not seen


EMPTY = [{}, {"type": "message", "content": []}, {**MESSAGE, "content": []}, {**MESSAGE, "content": None}, [], "text"]


@pytest.mark.parametrize("body", EMPTY)
async def test_a_good_status_with_garbage_is_broken(session: ClientSession, serve: Serve, body: Any) -> None:
    with pytest.raises(ProviderBroken):
        await anthropic(session, await serve(replying(body))).complete(ask())


async def test_vertex_answers_by_api_key(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    answer = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 11, "candidatesTokenCount": 3, "thoughtsTokenCount": 6, "totalTokenCount": 20, "cachedContentTokenCount": 4,
        },
    }  # fmt: skip
    url = await serve(replying(answer, seen=seen))
    base_url = url.removesuffix("/v1") + "/v1/publishers/google"
    provider = LiteLLMProvider(name="acme-vertex", prefix="gemini", base_url=base_url, session=session, api_key=KEY)
    completion = await provider.complete(make_request("gemini-3.8-flash"))
    path, headers, body = seen[0]
    assert path == "/v1/publishers/google/models/gemini-3.8-flash:generateContent"
    assert headers["x-goog-api-key"] == KEY
    assert body["generationConfig"]["max_output_tokens"] == 400
    assert completion.text == "Hello"
    assert completion.usage == Usage(input_tokens=11, output_tokens=9, cached_input_tokens=4, reasoning_tokens=6)


@pytest.mark.parametrize("finished", [True, False])
async def test_vertex_streams(session: ClientSession, serve: Serve, finished: bool) -> None:
    def event(text: str, **more: Any) -> bytes:
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}
        counts = {"promptTokenCount": 11, "candidatesTokenCount": 2, "totalTokenCount": 13}
        return b"data: " + json.dumps({"candidates": [candidate], "usageMetadata": counts}).encode() + b"\r\n\r\n"

    async def handler(request: web.Request) -> web.Response:
        last = event("lo", finishReason="STOP") if finished else event("lo")
        return web.Response(body=event("Hel") + last, content_type="text/event-stream")

    url = await serve(handler)
    provider = LiteLLMProvider(name="acme-vertex", prefix="gemini", base_url=url, session=session, api_key=KEY)
    stream = provider.stream(make_request("gemini-3.8-flash"))
    if not finished:
        with pytest.raises(ProviderBroken):
            [one async for one in stream]
        return
    chunks = [one async for one in stream]
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks[:-1]) == "Hello"
    assert chunks[-1]["usage"]["completion_tokens"] == 2


async def test_cohere_answers_and_streams_its_whole_answer(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    counts = {"billed_units": {"input_tokens": 5, "output_tokens": 7}, "tokens": {"input_tokens": 71, "output_tokens": 8}}
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
    url = await serve(replying({"id": "c1", "message": message, "finish_reason": "COMPLETE", "usage": counts}, seen=seen))
    base_url = url.removesuffix("/v1") + "/v2/chat"
    provider = LiteLLMProvider(name="acme-cohere", prefix="cohere_chat", base_url=base_url, session=session, api_key=KEY)
    completion = await provider.complete(make_request("command-r7b-12-2024"))
    assert (seen[0][0], seen[0][1]["Authorization"], seen[0][2]["max_tokens"]) == ("/v2/chat", f"Bearer {KEY}", 400)
    assert completion.text == "Hello"
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(input_tokens=71, output_tokens=8)
    chunks = [one async for one in provider.stream(make_request("command-r7b-12-2024"))]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "Hello"}
    assert chunks[1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[2]["choices"] == []
    assert chunks[2]["usage"]["prompt_tokens"] == 71


async def test_only_prefixes_that_go_by_our_wire_are_taken(session: ClientSession) -> None:
    with pytest.raises(ValueError, match="prefix must be one of"):
        LiteLLMProvider(name="x", prefix="bedrock", base_url="https://a.example", session=session, api_key=KEY)
    with pytest.raises(InvalidRequest):
        LiteLLMProvider(name="x", prefix="anthropic", base_url="https://a.example", session=session, api_key="sk\n")
