"""The one door to aiohttp: posts JSON to a provider, once, to addresses that are allowed, and says exactly what went wrong.

Money hangs on one question, "may the provider have got the request?", so it is answered by watching the write itself:
before the body was handed to an open connection every failure is ProviderUnreachable (nothing sent, nothing billed);
after it, a passed deadline is ProviderTimeout and anything else ProviderBroken. Nothing is tried twice: aiohttp repeats
only idempotent methods on a reused connection, and this module sends POST alone.
"""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult

from cascade.engine.errors import ProviderBroken, ProviderError, ProviderTimeout, ProviderUnreachable
from cascade.engine.providers.events import EventParser, EventTooLarge
from tenants.addresses import AddressGuard

__all__ = ["PATIENCE", "Answer", "Patience", "open_session", "post_events", "post_json", "post_portions"]

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_STREAM_BYTES = 256 * 1024 * 1024
"""A stream is never held in memory: this only ends one that would not end by itself."""
MAX_REFUSAL_BYTES = 64 * 1024
END_OF_STREAM = b"[DONE]"


class Patience(NamedTuple):
    """How long one provider is waited for within the time of a call, in seconds."""

    connect_s: float = 10.0
    """Until a connection stands, TLS and all."""
    silence_s: float = 600.0
    """From one byte to the next: before the first, while the model thinks, as well as in mid-stream."""


PATIENCE = Patience()


class Answer(NamedTuple):
    """What came back: the HTTP status, the headers (names without regard to case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def open_session(
    *, allow_private: Sequence[str] = (), max_connections: int = 1000, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Return a session with pooled keep-alive connections that connects to allowed addresses alone; the caller closes it.

    `allow_private` lists what is allowed beside public addresses: CIDR with an optional ":port", "[...]" around IPv6.
    `resolver` turns names into addresses (the system's when None); whatever it says is judged. Proxies and .netrc of the
    environment are ignored and no cookie is kept, for tenants share the session. Must be called on a running event loop.
    """
    guard = AddressGuard(allow_private=allow_private)
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(guard=guard, inner=resolver or aiohttp.ThreadedResolver()),
        socket_factory=GuardedSockets(guard=guard),
        limit=max_connections,
    )
    return aiohttp.ClientSession(
        connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), headers={"Accept-Encoding": "identity"}
    )


class GuardedResolver(AbstractResolver):
    """Resolves a name once and refuses it when any of its addresses is forbidden: a mixed answer is an attack, not a choice."""

    def __init__(self, *, guard: AddressGuard, inner: AbstractResolver) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            self._guard.check(address=result["host"], port=port)
        return found

    async def close(self) -> None:
        await self._inner.close()


class GuardedSockets:
    """Makes the socket of each connection and judges the very address it is about to connect to.

    aiohttp does not ask a resolver about hosts that are IP literals; here every connection passes, however it got its address.
    """

    def __init__(self, *, guard: AddressGuard) -> None:
        self._guard = guard

    def __call__(self, address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = address_info
        if family not in (socket.AF_INET, socket.AF_INET6):
            family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self._guard.check(address=place[0], port=place[1])
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


class WatchedBody(aiohttp.payload.Payload):
    """A request body that remembers whether it was handed to an open connection."""

    _autoclose = True

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self.sent = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return bytes(self._value)

    async def write(self, writer: AbstractStreamWriter) -> None:
        # Headers wait for the body, and aiohttp writes both without giving way in between: when the connection is
        # already closing here it writes nothing at all and raises.
        transport = writer.transport
        self.sent = transport is not None and not transport.is_closing()
        await writer.write(self._value)


async def post_json(
    *, session: aiohttp.ClientSession, provider: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float,
    max_bytes: int = MAX_ANSWER_BYTES, patience: Patience = PATIENCE,
) -> Answer:  # fmt: skip
    """Post the body once and return the whole answer, whatever its status. Redirects are answers, too.

    `provider` is the connection's name for messages, `timeout_s` the seconds for everything together. Raises
    ProviderUnreachable, ProviderTimeout or ProviderBroken, the last also when the answer is longer than `max_bytes`.
    """
    async with posted(
        session=session, provider=provider, url=url, headers=headers, body=body, timeout_s=timeout_s, patience=patience
    ) as response:
        return Answer(response.status, response.headers, await read_whole(response=response, provider=provider, max_bytes=max_bytes))


async def post_portions(
    *, session: aiohttp.ClientSession, provider: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float,
    refusal: Callable[[Answer], ProviderError], max_bytes: int = MAX_STREAM_BYTES, patience: Patience = PATIENCE,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """Post the body once and yield the answer's bytes as they come. An answer other than 200 raises what `refusal` makes of it.

    Raises like post_json; `timeout_s` is for the whole stream. Close the generator (contextlib.aclosing) when leaving it
    early, or its connection stays busy.
    """
    async with posted(
        session=session, provider=provider, url=url, headers=headers, body=body, timeout_s=timeout_s, patience=patience
    ) as response:
        if response.status != 200:
            content = await read_whole(response=response, provider=provider, max_bytes=MAX_REFUSAL_BYTES)
            raise refusal(Answer(response.status, response.headers, content))
        async for portion in limited(response=response, provider=provider, max_bytes=max_bytes):
            yield portion


async def post_events(
    *, session: aiohttp.ClientSession, provider: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float,
    refusal: Callable[[Answer], ProviderError], max_bytes: int = MAX_STREAM_BYTES, patience: Patience = PATIENCE,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """Post the body once and yield the data of each server-sent event, "[DONE]" included and last. Otherwise as post_portions."""
    portions = post_portions(
        session=session, provider=provider, url=url, headers=headers, body=body, timeout_s=timeout_s, refusal=refusal, max_bytes=max_bytes,
        patience=patience,
    )  # fmt: skip
    parser = EventParser()
    async with aclosing(portions):
        async for portion in portions:
            try:
                payloads = parser.feed(portion)
            except EventTooLarge as failure:
                raise ProviderBroken(f"{provider} sent a broken stream: {failure}", provider=provider) from failure
            for payload in payloads:
                yield payload
                if payload == END_OF_STREAM:
                    return


async def read_whole(*, response: aiohttp.ClientResponse, provider: str, max_bytes: int) -> bytes:
    """Return the body. A loop of its own, since most answers come in one portion and each async generator costs as much as that."""
    content, portions, left = response.content, [], max_bytes
    while portion := await content.readany():
        left -= len(portion)
        if left < 0:
            raise too_long(provider=provider, max_bytes=max_bytes)
        portions.append(portion)
    return portions[0] if len(portions) == 1 else b"".join(portions)


async def limited(*, response: aiohttp.ClientResponse, provider: str, max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the body in portions and stop as soon as it is too long: decompression bombs end here as well."""
    left = max_bytes
    async for portion in response.content.iter_any():
        left -= len(portion)
        if left < 0:
            raise too_long(provider=provider, max_bytes=max_bytes)
        yield portion


def too_long(*, provider: str, max_bytes: int) -> ProviderBroken:
    return ProviderBroken(f"{provider} sent an answer of more than {max_bytes} bytes", provider=provider)


@asynccontextmanager
async def posted(
    *, session: aiohttp.ClientSession, provider: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, patience: Patience
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send the request and hand out the response; every failure until the end of the block becomes a ProviderError."""
    watched = WatchedBody(body)
    try:
        response = await session.post(url, data=watched, headers=headers, timeout=deadline(timeout_s, patience), allow_redirects=False)
        try:
            yield response
        except BaseException:
            response.close()
            raise
        response.release()
        return
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as failure:  # the last two: unusable URLs, closed sessions
        translated = translate(failure=failure, sent=watched.sent, provider=provider, timeout_s=timeout_s, patience=patience)
    # Raised here and not in the block above: a traceback that chains aiohttp's error would carry the request's headers.
    raise translated


@lru_cache(maxsize=256)
def deadline(timeout_s: float, patience: Patience) -> aiohttp.ClientTimeout:
    connect, silence = min(patience.connect_s, timeout_s), patience.silence_s if patience.silence_s < timeout_s else None
    return aiohttp.ClientTimeout(total=timeout_s, connect=connect, sock_connect=connect, sock_read=silence)


def translate(*, failure: Exception, sent: bool, provider: str, timeout_s: float, patience: Patience) -> ProviderError:
    """Return our error for aiohttp's. All failures to connect read alike, lest a tenant maps the inner network by them."""
    translated: ProviderError
    if not sent:
        translated = ProviderUnreachable(f"{provider} cannot be reached; nothing was sent", provider=provider)
    elif isinstance(failure, aiohttp.SocketTimeoutError):
        translated = ProviderTimeout(f"{provider} sent nothing for {patience.silence_s:g} seconds", provider=provider)
    elif isinstance(failure, TimeoutError):
        translated = ProviderTimeout(f"{provider} gave no complete answer within {timeout_s:g} seconds", provider=provider)
    else:
        translated = ProviderBroken(f"{provider} broke off before the answer was complete", provider=provider)
    # This class keeps the request's headers, and so the key, in its repr.
    translated.__cause__ = None if isinstance(failure, aiohttp.ClientResponseError) else failure
    return translated
