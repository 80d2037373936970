"""The little of HTTP that the gateway needs on top of ASGI: headers in, a bounded body in, one reply out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec
import uuid_utils

from cascade.gateway.errors import HttpError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
BODY_SECONDS = 30.0
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
HEADER_BYTES = 65_536
MOST_DISCARDED = 16 * 1024 * 1024
"""How much of a body that is too large is read and thrown away, so that its sender is still there to read why."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def _text(value: bytes) -> str:
    """Header values are UTF-8 today, as every client sends them; Latin-1 where they are not."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _header_value(value: str) -> bytes:
    return (value if value.isprintable() else CONTROLS.sub(" ", value)).encode("latin-1", "replace")


class Kept:
    """A reply as it was sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []


class Exchange:
    """One request and its reply. Every reply carries x-request-id and its length."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method, self.path = str(scope["method"]), str(scope["path"])
        self.headers = {name.decode("latin-1"): _text(value) for name, value in scope["headers"]}
        said = self.headers.get("x-request-id", "")
        self.request_id = said if SANE_REQUEST_ID.fullmatch(said) else f"req_{uuid_utils.uuid7().hex}"
        self._size = sum(len(name) + len(value) for name, value in scope["headers"])
        self._receive, self._send = receive, send
        self.started = False
        self.kept: Kept | None = None
        """Set it to have the reply kept while it is sent."""
        self.policy: Mapping[str, str] = {}
        """Headers of the caller's limits, for a reply that does not tell more of them."""

    async def body(self, *, limit: int) -> bytes:
        """Return the whole body. Raises HttpError 408, 413, 415, and ConnectionResetError when the caller is gone."""
        if self._size > HEADER_BYTES:
            raise HttpError(413, f"The headers are larger than {HEADER_BYTES:,} bytes.", code="headers_too_large")
        if self.headers.get("content-encoding", "identity") != "identity":
            raise HttpError(415, "Compressed bodies are not taken. Send plain JSON.", code="unsupported_encoding")
        too_large = HttpError(
            413, f"The body is larger than {limit:,} bytes. Send a shorter conversation, or pictures by their address.", code="body_too_large",
            headers={"connection": "close"},
        )
        length = self.headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit and (int(length) > MOST_DISCARDED or "expect" in self.headers):
            raise too_large
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read(limit, too_large)
        except TimeoutError as slow:
            message = f"The body did not arrive within {BODY_SECONDS:.0f} s."
            raise HttpError(408, message, code="body_too_slow", headers={"connection": "close"}) from slow

    async def _read(self, limit: int, too_large: HttpError) -> bytes:
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the caller is gone")
            part = message.get("body", b"")
            size += len(part)
            if size <= limit:
                parts.append(part)
            if size > MOST_DISCARDED or (size > limit and not message.get("more_body")):
                raise too_large
            if not message.get("more_body"):
                return b"".join(parts)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.started = True
        all_headers = {"x-request-id": self.request_id, "x-content-type-options": "nosniff", **self.policy, **headers}
        if self.kept is not None:
            self.kept.status, self.kept.headers = status, dict(headers)
        encoded = [(name.encode("latin-1"), _header_value(value)) for name, value in all_headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def write(self, data: bytes, *, more: bool) -> None:
        if self.kept is not None:
            self.kept.parts.append(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        await self.start(status, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})})
        await self.write(body, more=False)

    async def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        await self.reply(status, msgspec.json.encode(value), headers)
