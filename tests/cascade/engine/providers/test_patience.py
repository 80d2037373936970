"""Each provider's own patience: how long for a connection, how long from one byte to the next."""

import asyncio

import aiohttp
import pytest

from cascade.engine.errors import ProviderError, ProviderTimeout
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS
from cascade.engine.providers.transport import Patience, post_events, post_json
from tests.cascade.engine.providers.conftest import ServeRaw, read_request

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.asyncio
async def test_a_provider_that_falls_silent_is_given_up_before_the_whole_time_is_over(
    session: aiohttp.ClientSession, serve_raw: ServeRaw
) -> None:
    async def falls_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()

    events = post_events(
        session=session, provider="acme", url=f"http://127.0.0.1:{await serve_raw(falls_silent)}/", headers={}, body=b"{}", timeout_s=30.0,
        patience=Patience(silence_s=0.2), refusal=lambda answer: ProviderError("no", provider="acme"),
    )
    assert await anext(events) == b"1"
    with pytest.raises(ProviderTimeout, match=r"^acme sent nothing for 0\.2 seconds$") as caught:
        await anext(events)
    assert caught.value.sent


@pytest.mark.asyncio
async def test_words_that_come_in_time_may_go_on_for_longer(session: aiohttp.ClientSession, serve_raw: ServeRaw) -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + b"content-length: 6\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0.1)
            writer.write(b"x")
        writer.close()

    url = f"http://127.0.0.1:{await serve_raw(drips)}/"
    answer = await post_json(
        session=session, provider="acme", url=url, headers={}, body=b"{}", timeout_s=30.0, patience=Patience(silence_s=0.4)
    )
    assert answer.body == b"xxxxxx"


def test_every_provider_has_some() -> None:
    for spec in SUPPORTED_PROVIDERS.values():
        assert 1 <= spec.patience.connect_s <= 10
        assert 30 <= spec.patience.silence_s <= 600
