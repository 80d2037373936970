"""What carries LiteLLM's requests: our own transport in httpx's clothes. Imported only together with LiteLLM.

LiteLLM's own clients try again on a broken connection with a fresh, unguarded session, follow the environment's proxies
and report statuses by guesswork. So they get this instead: one attempt, guarded addresses, and a record of what happened.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx

from cascade.engine.errors import ProviderBroken, ProviderError
from cascade.engine.providers.transport import MAX_ANSWER_BYTES, MAX_STREAM_BYTES, Answer, Patience, post_portions
from cascade.engine.providers.upstream_errors import refusal

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Wire"]

USAGE_MARKS = (b'"usage"', b'"usageMetadata"')
"""The counts' name with Anthropic, and with Vertex. Inside of a JSON text the quotes would be escaped."""
FINISH_MARKS = (b'"message_stop"', b'"finishReason"')
"""What ends a stream of Anthropic's, and of Vertex's."""
OVERLAP = max(map(len, USAGE_MARKS + FINISH_MARKS))
HEADERS_OF_OURS = ("host", "content-length", "accept-encoding", "connection", "transfer-encoding")


class Wire(httpx.AsyncBaseTransport):
    """Sends exactly one request. Afterwards: `used`, `failure` (what truly went wrong), `saw_usage` and `saw_finish` tell what happened."""

    def __init__(
        self, *, session: "ClientSession", provider: str, secrets: tuple[str, ...], timeout_s: float, patience: Patience, stream: bool
    ) -> None:
        self._session, self._patience = session, patience
        self._provider = provider
        self._secrets = secrets
        self._timeout_s = timeout_s
        self._stream = stream
        self.used = False
        self.failure: ProviderError | None = None
        self.saw_usage = False
        self.saw_finish = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.used:
            raise self.failure or ProviderBroken(f"{self._provider}: a request must not be sent twice", provider=self._provider)
        portions = post_portions(
            session=self._session, provider=self._provider, url=str(request.url), body=await request.aread(),
            headers={name: value for name, value in request.headers.items() if name not in HEADERS_OF_OURS},
            timeout_s=self._timeout_s, refusal=self._refusal, max_bytes=MAX_STREAM_BYTES if self._stream else MAX_ANSWER_BYTES,
            patience=self._patience,
        )  # fmt: skip
        self.used = True
        try:
            first = await anext(portions, b"")
        except ProviderError as failure:
            self.failure = failure
            raise
        kind = "text/event-stream" if self._stream else "application/json"
        body = Body(wire=self, first=first, portions=portions)
        return httpx.Response(200, headers={"content-type": kind}, stream=body, request=request)

    def _refusal(self, answer: Answer) -> ProviderError:
        return refusal(
            status=answer.status, headers=answer.headers, body=answer.body, provider=self._provider, secrets=self._secrets
        )


class Body(httpx.AsyncByteStream):
    """The answer's bytes, watched."""

    def __init__(self, *, wire: Wire, first: bytes, portions: AsyncGenerator[bytes, None]) -> None:
        self._wire = wire
        self._first = first
        self._portions = portions

    async def __aiter__(self) -> AsyncIterator[bytes]:
        before = b""
        async with aclosing(self._portions):
            portion = self._first
            while portion:
                seen = before + portion
                self._wire.saw_usage = self._wire.saw_usage or any(mark in seen for mark in USAGE_MARKS)
                self._wire.saw_finish = self._wire.saw_finish or any(mark in seen for mark in FINISH_MARKS)
                before = seen[-OVERLAP:]
                yield portion
                portion = await self._next()

    async def _next(self) -> bytes:
        try:
            return await anext(self._portions, b"")
        except ProviderError as failure:
            self._wire.failure = failure
            raise

    async def aclose(self) -> None:
        await self._portions.aclose()
