"""Streams of providers that speak OpenAI's protocol."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import ProviderBroken
from tests.cascade.engine.providers.conftest import (
    USAGE,
    Serve,
    answer,
    chunk,
    drain,
    make_provider,
    make_request,
    replying,
    streaming,
)


@pytest.mark.asyncio
async def test_a_stream_always_asks_for_usage(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    url = await serve(replying(b"data: " + json.dumps(chunk("x", finish="stop")).encode() + b"\n\ndata: [DONE]\n\n", seen=seen))
    parameters = {"stream_options": {"include_usage": False, "include_obfuscation": False}}
    assert len([one async for one in make_provider(session, url).stream(make_request(parameters=parameters))]) == 1
    assert seen[0][2]["stream"] is True
    assert seen[0][2]["stream_options"] == {"include_usage": True, "include_obfuscation": False}


@pytest.mark.asyncio
async def test_the_upstream_streams_with_usage_last(session: ClientSession, upstream_url: str) -> None:
    chunks = [one async for one in make_provider(session, upstream_url).stream(make_request())]
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks[:-1])
    assert text.startswith("Thank you")
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 6, "completion_tokens": 300, "total_tokens": 306}


@pytest.mark.asyncio
async def test_a_stream_that_breaks_off_is_broken_after_the_chunks_that_came(session: ClientSession, upstream_url: str) -> None:
    seen: list[Any] = []
    with pytest.raises(ProviderBroken):
        await drain(make_provider(session, upstream_url), make_request("fault-truncated-sse"), into=seen)
    assert seen


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "payloads",
    [
        [chunk("x"), {"error": {"message": "overloaded"}}],
        [chunk("x"), b"data: not json\n\n"],
        [chunk("x"), b"data: [1]\n\n"],
        [chunk("x"), {"choices": None}],
        [chunk("x"), {"choices": [1]}],
        [chunk("x"), b'data: {"choices": [], "x": "\xff"}\n\n'],
    ],
)
async def test_an_error_or_garbage_in_mid_stream_is_broken(session: ClientSession, serve: Serve, payloads: list[Any]) -> None:
    seen: list[Any] = []
    provider = make_provider(session, await serve(streaming(*payloads)))
    with pytest.raises(ProviderBroken, match=r"^acme-openai"):
        await drain(provider, make_request(), into=seen)
    assert len(seen) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("done", [True, False])
async def test_a_stream_must_finish_but_needs_no_done(session: ClientSession, serve: Serve, done: bool) -> None:
    url = await serve(streaming(chunk("x"), chunk(finish="stop"), done=done))
    assert len([one async for one in make_provider(session, url).stream(make_request())]) == 2
    url = await serve(streaming(chunk("x"), chunk("y"), done=done))
    with pytest.raises(ProviderBroken, match="before the answer was finished"):
        [one async for one in make_provider(session, url).stream(make_request())]
    url = await serve(replying(answer()))  # a server that does not stream at all
    with pytest.raises(ProviderBroken):
        [one async for one in make_provider(session, url).stream(make_request())]


@pytest.mark.asyncio
async def test_usage_comes_once_and_last_wherever_the_provider_put_it(session: ClientSession, serve: Serve) -> None:
    early = {**USAGE, "completion_tokens": 1}
    url = await serve(streaming(chunk("x", usage=None), chunk("y", usage=early), chunk(finish="stop", usage=USAGE)))
    chunks = [one async for one in make_provider(session, url).stream(make_request())]
    assert [one.get("usage") for one in chunks] == [None, None, None, USAGE]
    assert chunks[2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[3]["choices"] == []


@pytest.mark.asyncio
async def test_a_stream_left_early_gives_its_connection_back(session: ClientSession, upstream_url: str) -> None:
    stream = make_provider(session, upstream_url).stream(make_request())
    async for _ in stream:
        break
    await stream.aclose()
    assert session.connector is not None
    assert not session.connector._acquired
