"""What every provider keeps to, whatever it speaks. A test class per provider says what it sends and what it is sent."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web

from cascade.engine.errors import ProviderBroken, ProviderError, ProviderUnreachable
from cascade.engine.providers.base import BaseProvider
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS, build_provider
from cascade.engine.providers.transport import open_session
from cascade.engine.streaming import StreamAssembler
from cascade.engine.values import Completion, CompletionRequest, Usage
from tests.cascade.engine.providers.conftest import KEY, Serve, make_request

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": SCHEMA}}]
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello"}]


class Refusal(NamedTuple):
    """An answer other than 200, and what it must become."""

    name: str
    status: int
    body: Any
    error: type[ProviderError]
    about: str | None = None
    headers: Mapping[str, str] = {}
    retry_after_s: float | None = None
    said: str = ""
    """Words of the provider that must reach people."""


class Seen(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: Any


class ProviderContract(ABC):
    """Subclasses say the values below; `Test` stands in the subclasses' names alone."""

    pytestmark: ClassVar = [pytest.mark.asyncio, pytest.mark.timeout(180)]  # the first call of some imports LiteLLM
    slug: str
    path: str
    stream_path: str = ""
    auth: tuple[str, str] = ("Authorization", f"Bearer {KEY}")
    cap: Sequence[str] = ("max_tokens",)
    """Where in the body the cap stands."""
    answer: Any
    """The documented answer: it says "Hello there." and is at its end."""
    usage: Usage
    tool_answer: Any
    """It calls get_weather for Paris under the id "call_1", unless the provider gives no ids."""
    events: Sequence[bytes]
    """The documented stream of the same answer, in pieces."""
    stream_usage: Usage | None
    tool_events: Sequence[bytes]
    error_event: bytes
    """What comes in mid-stream when the provider fails there."""
    refusals: Sequence[Refusal]
    gives_ids: bool = True

    model: str = ""
    """Empty: the row's own."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.model and hasattr(cls, "slug"):
            cls.model = SUPPORTED_PROVIDERS[cls.slug].default_draft_model.name

    # ---- What differs by family
    @abstractmethod
    def check_sent(self, body: Any) -> None: ...

    @abstractmethod
    def check_stream_sent(self, body: Any) -> None: ...

    @abstractmethod
    def check_tools_sent(self, body: Any) -> None: ...

    # ---- A server and a provider of this row, at the path that the row has
    async def provider(self, serve: Serve, session: ClientSession, handler: Any) -> BaseProvider:
        spec = SUPPORTED_PROVIDERS[self.slug]
        root = (await serve(handler)).removesuffix("/v1")
        return build_provider(spec=spec, name="acme", session=session, base_url=root + urlsplit(spec.base_url).path, api_key=KEY)

    def request(self, **changes: Any) -> CompletionRequest:
        cap = SUPPORTED_PROVIDERS[self.slug].cap_parameter
        return make_request(self.model, **{"messages": MESSAGES, "cap_parameter": cap, "timeout_s": 15.0, **changes})

    # ---- The contract
    async def test_a_request_is_what_the_provider_documents(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        provider = await self.provider(serve, session, answering(self.answer, seen=seen))
        await provider.complete(self.request(parameters={"temperature": 0.5}))
        (sent,) = seen
        assert sent.path == self.path
        assert sent.headers[self.auth[0]] == self.auth[1]
        assert sent.headers["Content-Type"] == "application/json"
        assert value_at(sent.body, self.cap) == 400
        self.check_sent(sent.body)

    async def test_the_documented_answer_is_read_with_its_counts(self, serve: Serve, session: ClientSession) -> None:
        completion = await (await self.provider(serve, session, answering(self.answer))).complete(self.request())
        assert (completion.text, completion.finish_reason) == ("Hello there.", "stop")
        assert completion.usage == self.usage

    async def test_tools_go_out_and_their_calls_come_back(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        provider = await self.provider(serve, session, answering(self.tool_answer, seen=seen))
        completion = await provider.complete(self.request(parameters={"tools": TOOLS}))
        self.check_tools_sent(seen[0].body)
        self.check_call(completion)

    def check_call(self, completion: Completion) -> None:
        assert completion.finish_reason == "tool_calls"
        (call,) = completion.tool_calls
        assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
        assert call["function"]["arguments"].replace(" ", "") == '{"city":"Paris"}'
        assert call["id"] == "call_1" if self.gives_ids else call["id"]

    async def test_the_documented_stream_brings_words_finish_and_then_counts_once(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        provider = await self.provider(serve, session, streaming(*self.events, seen=seen))
        chunks = [chunk async for chunk in provider.stream(self.request())]
        assert seen[0].path == (self.stream_path or self.path)
        assert value_at(seen[0].body, self.cap) == 400
        self.check_stream_sent(seen[0].body)
        completion = assembled(chunks)
        assert (completion.text, completion.finish_reason) == ("Hello there.", "stop")
        assert completion.usage == self.stream_usage
        told = [number for number, chunk in enumerate(chunks) if chunk.get("usage")]
        assert told == ([len(chunks) - 1] if self.stream_usage else [])
        assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)

    async def test_calls_are_put_together_from_a_stream(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, streaming(*self.tool_events))
        self.check_call(assembled([chunk async for chunk in provider.stream(self.request(parameters={"tools": TOOLS}))]))

    async def test_a_stream_that_breaks_off_is_broken_and_may_be_billed(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, streaming(*self.events[:2]))
        with pytest.raises(ProviderBroken) as caught:
            [chunk async for chunk in provider.stream(self.request())]
        assert caught.value.sent

    async def test_an_error_in_mid_stream_is_broken_and_may_be_billed(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, streaming(*self.events[:2], self.error_event))
        with pytest.raises(ProviderBroken) as caught:
            [chunk async for chunk in provider.stream(self.request())]
        assert caught.value.sent

    @pytest.mark.parametrize("stream", [False, True])
    async def test_refusals_become_what_they_mean(self, serve: Serve, session: ClientSession, refusal: Refusal, stream: bool) -> None:
        seen: list[Seen] = []
        handler = answering(refusal.body, status=refusal.status, headers=refusal.headers, seen=seen)
        provider = await self.provider(serve, session, handler)
        with pytest.raises(ProviderError) as caught:
            await (anext(aiter(provider.stream(self.request()))) if stream else provider.complete(self.request()))
        failure = caught.value
        assert (type(failure), failure.upstream_status, failure.sent) == (refusal.error, refusal.status, True)
        assert getattr(failure, "about", None) == refusal.about or refusal.about is None
        assert failure.retry_after_s == refusal.retry_after_s
        assert refusal.said in failure.message
        assert KEY not in failure.message
        assert len(seen) == 1, "a provider makes one attempt; trying again is not its business"

    async def test_a_private_address_is_refused_and_nothing_is_sent(self, serve: Serve) -> None:
        seen: list[Seen] = []
        async with open_session() as guarded:
            provider = await self.provider(serve, guarded, answering(self.answer, seen=seen))
            for call in (provider.complete(self.request()), anext(aiter(provider.stream(self.request())))):
                with pytest.raises(ProviderUnreachable) as caught:
                    await call
                assert not caught.value.sent
        assert not seen


def value_at(body: Any, path: Sequence[str]) -> Any:
    for name in path:
        body = body[name]
    return body


def assembled(chunks: Sequence[Any]) -> Completion:
    assembler = StreamAssembler(provider="acme")
    for chunk in chunks:
        assembler.add(chunk)
    return assembler.completion()


def answering(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, seen: list[Seen] | None = None) -> Any:
    async def handler(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append(Seen(request.path_qs, request.headers.copy(), await request.json()))
        if isinstance(body, bytes):
            return web.Response(body=body, status=status, headers=headers, content_type="application/json")
        return web.json_response(body, status=status, headers=headers)

    return handler


def streaming(*pieces: bytes, seen: list[Seen] | None = None) -> Any:
    """Answer with a stream, each piece in a write of its own."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if seen is not None:
            seen.append(Seen(request.path_qs, request.headers.copy(), await request.json()))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        return response

    return handler
