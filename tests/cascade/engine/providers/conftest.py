"""A real upstream as a subprocess, small servers made to order, and requests to send to them."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.abc import AbstractResolver, ResolveResult

from cascade.engine.providers.base import BaseProvider
from cascade.engine.providers.openai_compatible import OpenAICompatibleProvider
from cascade.engine.providers.transport import Answer, open_session, post_json
from cascade.engine.values import CompletionRequest, ModelConfig

ROOT = Path(__file__).resolve().parents[4]
KEY = "sk-test-0123456789abcdef"

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
ServeRaw = Callable[[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]], Awaitable[int]]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="session")
def upstream_url() -> Iterator[str]:
    """Base URL of bench/upstream.py, whose fault-* models misbehave on demand."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(ROOT / "bench" / "upstream.py"), "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with open_session(allow_private=["127.0.0.0/8"]) as opened:
        yield opened


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start an HTTP server with one handler for every path; gives its base URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{port}/v1"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest_asyncio.fixture
async def serve_raw() -> AsyncIterator[ServeRaw]:
    """Start a TCP server for answers that no HTTP library would send; gives its port."""
    servers: list[asyncio.Server] = []

    async def start(handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> int:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one whole request from a raw connection; empty at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def make_request(model: str = "some-model", prompt: str = "Say hello", **changes: Any) -> CompletionRequest:
    cap_parameter = changes.pop("cap_parameter", "max_tokens")
    given: dict[str, Any] = {
        "model": ModelConfig(name="m", provider="acme-openai", upstream_name=model, cap_parameter=cap_parameter),
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 400,
        "timeout_s": 5.0,
    }
    return CompletionRequest(**{**given, **changes})


def make_provider(session: ClientSession, url: str, **changes: Any) -> OpenAICompatibleProvider:
    return OpenAICompatibleProvider(**{"name": "acme-openai", "base_url": url, "session": session, "api_key": KEY, **changes})


def answer(**changes: Any) -> dict[str, Any]:
    """A sound answer in OpenAI's form, with changes."""
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "some-model-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}, **changes,
    }  # fmt: skip


async def post(session: ClientSession, url: str, *, timeout_s: float = 3.0, max_bytes: int = 1_000_000) -> Answer:
    headers = {"Authorization": f"Bearer {KEY}"}
    return await post_json(
        session=session, provider="acme-openai", url=url, headers=headers, body=b'{"a":1}', timeout_s=timeout_s, max_bytes=max_bytes
    )


class ScriptedResolver(AbstractResolver):
    """Answers every name with the next list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not addresses:
            raise OSError("name not found")
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0) for address in addresses]

    async def close(self) -> None:
        pass


def replying(payload: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, seen: list[Any] | None = None) -> Any:
    async def handler(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append((request.path, dict(request.headers), await request.json()))
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")

    return handler


def streaming(*payloads: Any, done: bool = True) -> Any:
    lines = [payload if isinstance(payload, bytes) else b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads]
    return replying(b"".join([*lines, b"data: [DONE]\n\n" if done else b""]))


def chunk(content: str | None = None, *, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **changes}


async def drain(provider: BaseProvider, request: CompletionRequest, *, into: list[Any] | None = None) -> None:
    seen: list[Any] = [] if into is None else into
    async for one in provider.stream(request):
        seen.append(one)  # noqa: PERF401 - what came before an error is kept


USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each provider's test class lists its own refusals."""
    if "refusal" in metafunc.fixturenames and metafunc.cls is not None:
        metafunc.parametrize("refusal", metafunc.cls.refusals, ids=lambda refusal: refusal.name)
