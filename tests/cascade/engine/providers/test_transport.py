"""What went wrong on the network is told exactly: was the request sent, or not, or maybe?"""

import asyncio
import gzip
import socket
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cascade.engine.errors import ProviderBroken, ProviderError, ProviderTimeout, ProviderUnreachable
from cascade.engine.providers.transport import Answer, open_session, post_events
from tests.cascade.engine.providers.conftest import KEY, ScriptedResolver, Serve, ServeRaw, free_port, post, read_request

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.asyncio
async def test_an_answer_comes_back_whole_with_status_and_headers(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["Content-Type"] == "application/json"
        return web.Response(status=418, body=await request.read(), headers={"X-Thing": "yes"})

    reply = await post(session, await serve(handler))
    assert (reply.status, reply.headers["x-thing"], reply.body) == (418, "yes", b'{"a":1}')


@pytest.mark.asyncio
async def test_a_refused_connection_is_unreachable_and_nothing_was_sent(session: aiohttp.ClientSession) -> None:
    with pytest.raises(ProviderUnreachable) as caught:
        await post(session, f"http://127.0.0.1:{free_port()}/")
    assert not caught.value.sent


@pytest.mark.asyncio
async def test_a_name_that_is_not_found_is_unreachable() -> None:
    async with open_session(resolver=ScriptedResolver([])) as session:
        with pytest.raises(ProviderUnreachable):
            await post(session, "http://nowhere.example/")


@pytest.mark.asyncio
async def test_a_connection_that_is_never_made_is_unreachable_not_a_timeout(session: aiohttp.ClientSession) -> None:
    with socket.socket() as full:  # a listener whose queue is full lets further connects hang
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        queued = [socket.socket() for _ in range(8)]
        for one in queued:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(ProviderUnreachable):
                await post(session, f"http://127.0.0.1:{port}/", timeout_s=0.4)
        finally:
            for one in queued:
                one.close()


@pytest.mark.asyncio
async def test_a_failed_tls_handshake_is_unreachable(session: aiohttp.ClientSession, serve_raw: ServeRaw) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 no TLS here\r\n\r\n")
        writer.close()

    with pytest.raises(ProviderUnreachable) as caught:
        await post(session, f"https://127.0.0.1:{await serve_raw(plain)}/")
    assert isinstance(caught.value.__cause__, ssl.SSLError | aiohttp.ClientConnectorError)


@pytest.mark.asyncio
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", OK + b"content-length: 100\r\n\r\n{"])
async def test_silence_after_the_request_is_a_timeout(session: aiohttp.ClientSession, serve_raw: ServeRaw, said: bytes) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        await reader.read()
        writer.close()

    with pytest.raises(ProviderTimeout) as caught:
        await post(session, f"http://127.0.0.1:{await serve_raw(silent)}/", timeout_s=0.4)
    assert caught.value.sent


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "said",
    [
        b"", b"HTTP/1.1 20", OK + b"content-length: 100\r\n\r\n{", OK + b"transfer-encoding: chunked\r\n\r\nff\r\n{",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("reset", [True, False])
async def test_a_break_after_the_request_is_broken(session: aiohttp.ClientSession, serve_raw: ServeRaw, said: bytes, reset: bool) -> None:
    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        await writer.drain()
        if reset:
            writer.transport.abort()
        else:
            writer.close()

    with pytest.raises(ProviderBroken) as caught:
        await post(session, f"http://127.0.0.1:{await serve_raw(breaking)}/")
    assert caught.value.sent


@pytest.mark.asyncio
async def test_a_kept_connection_that_dies_under_the_request_is_broken_and_not_tried_again(
    session: aiohttp.ClientSession, serve_raw: ServeRaw
) -> None:
    requests: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(OK + b"content-length: 2\r\n\r\n{}")
        requests.append(await read_request(reader))
        writer.transport.abort()

    url = f"http://127.0.0.1:{await serve_raw(once)}/"
    await post(session, url)
    with pytest.raises(ProviderBroken):
        await post(session, url)
    await asyncio.sleep(0.1)
    assert len(requests) == 2


@pytest.mark.asyncio
async def test_a_connection_that_is_closing_before_a_byte_is_written_is_unreachable(
    session: aiohttp.ClientSession, serve_raw: ServeRaw, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    connector = session.connector
    assert connector is not None
    connect = connector.connect

    async def connect_and_lose(*arguments: Any, **more: Any) -> Any:
        connection = await connect(*arguments, **more)
        assert connection.transport is not None
        connection.transport.close()
        return connection

    monkeypatch.setattr(connector, "connect", connect_and_lose)
    with pytest.raises(ProviderUnreachable):
        await post(session, f"http://127.0.0.1:{await serve_raw(idle)}/")


@pytest.mark.asyncio
async def test_an_answer_beyond_the_cap_is_aborted(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"a" * 2_000_000)

    with pytest.raises(ProviderBroken, match="more than 1000000 bytes"):
        await post(session, await serve(handler))


@pytest.mark.asyncio
async def test_a_decompression_bomb_is_aborted(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=gzip.compress(b"a" * 50_000_000), headers={"Content-Encoding": "gzip"})

    with pytest.raises(ProviderBroken, match="more than 1000000 bytes"):
        await post(session, await serve(handler))


@pytest.mark.asyncio
async def test_an_answer_that_is_compressed_unasked_is_read(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    assert (await post(session, await serve(handler))).body == b"{}"


@pytest.mark.asyncio
async def test_redirects_are_not_followed(session: aiohttp.ClientSession, serve: Serve) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    assert (await post(session, await serve(handler))).status == 307
    assert len(asked) == 1


@pytest.mark.asyncio
async def test_connections_are_kept_and_cookies_are_not(session: aiohttp.ClientSession, serve: Serve) -> None:
    seen: list[tuple[Any, bool]] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        seen.append((request.transport.get_extra_info("peername"), "Cookie" in request.headers))
        return web.json_response({}, headers={"Set-Cookie": "who=acme"})

    url = await serve(handler)
    await post(session, url)
    await post(session, url)
    assert seen[0] == seen[1]
    assert not seen[1][1]


@pytest.mark.asyncio
async def test_proxies_of_the_environment_are_ignored(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({})

    url = await serve(handler)
    async with open_session(allow_private=["127.0.0.1"]) as session:
        assert (await post(session, url)).status == 200


@pytest.mark.asyncio
async def test_no_error_shows_the_key(session: aiohttp.ClientSession, serve_raw: ServeRaw) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"\x00\x01\x02 not HTTP\r\n\r\n")
        writer.close()

    with pytest.raises(ProviderBroken) as caught:
        await post(session, f"http://127.0.0.1:{await serve_raw(garbage)}/")
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in repr(error)
        assert KEY not in str(error)
        error = error.__cause__ or error.__context__


def no_refusal(answer: Answer) -> ProviderError:
    return ProviderBroken(f"status {answer.status}", provider="acme-openai")


async def events(session: aiohttp.ClientSession, url: str, *, timeout_s: float = 3.0, max_bytes: int = 1_000_000) -> list[bytes]:
    stream = post_events(
        session=session, provider="acme-openai", url=url, headers={}, body=b"{}", timeout_s=timeout_s, refusal=no_refusal,
        max_bytes=max_bytes,
    )  # fmt: skip
    return [payload async for payload in stream]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"data: " + b"a" * 1_100_000, "longer than"),
        (b": comment\n" * 200_000, "more than"),
        (b"data: x\n\n" * 200_000, "more than"),
    ],
)
async def test_an_endless_line_and_an_endless_stream_are_aborted(
    session: aiohttp.ClientSession, serve: Serve, said: bytes, error: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=said)

    with pytest.raises(ProviderBroken, match=error):
        await events(session, await serve(handler), max_bytes=1_500_000)


@pytest.mark.asyncio
async def test_a_stream_ends_at_done_and_its_connection_is_used_again(session: aiohttp.ClientSession, serve: Serve) -> None:
    peers: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.Response(body=b"data: 1\n\ndata: [DONE]\n\n")

    url = await serve(handler)
    assert await events(session, url) == [b"1", b"[DONE]"]
    assert await events(session, url) == [b"1", b"[DONE]"]
    assert peers[0] == peers[1]


@pytest.mark.asyncio
async def test_a_stream_that_stalls_is_a_timeout_and_one_that_is_cut_is_broken(session: aiohttp.ClientSession, serve_raw: ServeRaw) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"

    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head)
        await reader.read()
        writer.close()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head)
        writer.close()

    with pytest.raises(ProviderTimeout):
        await events(session, f"http://127.0.0.1:{await serve_raw(stalling)}/", timeout_s=0.4)
    with pytest.raises(ProviderBroken):
        await events(session, f"http://127.0.0.1:{await serve_raw(cut)}/")
