"""No spelling, no name and no change of mind brings a tenant's URL to an inner address."""

import asyncio

import pytest
from aiohttp import web

from cascade.engine.errors import ProviderUnreachable
from cascade.engine.providers.transport import open_session
from tests.cascade.engine.providers.conftest import ScriptedResolver, Serve, ServeRaw, post

SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f000001", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.", "①②⑦.⓪.⓪.①",
    "localhost", "localhost.", "LOCALHOST", "ip6-localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]", "0.0.0.0", "0", "[::]", "169.254.169.254", "[fe80::1]", "[fe80::1%25lo]",
    "10.0.0.1", "192.168.0.1", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16",
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_inner_address_reaches_a_listener(host: str, serve_raw: ServeRaw) -> None:
    visits: list[int] = []

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        writer.close()

    port = await serve_raw(listener)
    async with open_session() as session:
        for prefix in ("http://", "https://", "http://user:word@"):
            with pytest.raises(ProviderUnreachable, match=r"^acme-openai cannot be reached; nothing was sent$"):
                await post(session, f"{prefix}{host}:{port}/v1", timeout_s=2)
    assert not visits


@pytest.mark.asyncio
async def test_a_name_is_judged_by_all_its_addresses(serve_raw: ServeRaw) -> None:
    visits: list[int] = []

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        writer.close()

    port = await serve_raw(listener)
    for addresses in (["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["127.0.0.1", "1.1.1.1"], ["169.254.169.254"]):
        async with open_session(resolver=ScriptedResolver(addresses)) as session:
            with pytest.raises(ProviderUnreachable):
                await post(session, f"http://rebind.example:{port}/", timeout_s=1)
    assert not visits


@pytest.mark.asyncio
async def test_a_name_that_turns_inward_between_requests_is_refused_at_the_connect(serve_raw: ServeRaw) -> None:
    visits: list[int] = []

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        writer.close()

    port = await serve_raw(listener)
    resolver = ScriptedResolver(["192.0.2.1"], ["127.0.0.1"])
    async with open_session(resolver=resolver) as session:
        for _ in range(20):
            with pytest.raises(ProviderUnreachable):
                await post(session, f"http://rebind.example:{port}/", timeout_s=0.2)
    assert resolver.asked == 20
    assert not visits


@pytest.mark.asyncio
async def test_an_allowance_holds_for_exactly_its_port(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({})

    open_url, shut_url = await serve(handler), await serve(handler)
    port = open_url.split(":")[2].split("/")[0]
    async with open_session(allow_private=[f"127.0.0.1:{port}"]) as session:
        assert (await post(session, open_url)).status == 200
        assert (await post(session, open_url.replace("127.0.0.1", "localhost"))).status == 200
        with pytest.raises(ProviderUnreachable):
            await post(session, shut_url)
