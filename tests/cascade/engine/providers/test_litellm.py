"""LiteLLM translates, and nothing else: what it makes up, tries again or would connect to by itself does not happen."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession, web

from cascade.engine.errors import (
    InvalidRequest,
    ProviderBroken,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from cascade.engine.providers.litellm import PREFIXES, LiteLLMProvider
from cascade.engine.providers.transport import open_session
from cascade.engine.values import CompletionRequest
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


async def test_an_answer_without_usage_is_broken_for_litellm_does_not_read_it(session: ClientSession, serve: Serve) -> None:
    url = await serve(replying({name: value for name, value in MESSAGE.items() if name != "usage"}))
    with pytest.raises(ProviderBroken) as caught:
        await anthropic(session, url).complete(ask())
    assert "Hello" not in repr(caught.value)
    assert caught.value.__cause__ is None


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


async def test_only_prefixes_that_go_by_our_wire_are_taken(session: ClientSession) -> None:
    with pytest.raises(ValueError, match="prefix must be one of"):
        LiteLLMProvider(name="x", prefix="bedrock", base_url="https://a.example", session=session, api_key=KEY)
    with pytest.raises(InvalidRequest):
        LiteLLMProvider(name="x", prefix="anthropic", base_url="https://a.example", session=session, api_key="sk\n")


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_no_proxy_of_the_environment_leads_past_the_guard(serve: Serve, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
