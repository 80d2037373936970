"""Every provider that speaks OpenAI's protocol: one class, told apart by base URL and key."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cascade.engine.errors import InvalidRequest, ProviderBroken, ProviderError
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.providers.openai_format import decode_answer, decode_chunk, encode_request
from cascade.engine.providers.transport import END_OF_STREAM, PATIENCE, Answer, Patience, post_events, post_json
from cascade.engine.providers.upstream_errors import refusal
from cascade.engine.values import Completion, CompletionRequest

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["OpenAICompatibleProvider", "checked_base_url"]


class OpenAICompatibleProvider(BaseProvider):
    """Chat completions over HTTP. In: the connection's name, its base URL (".../v1"), a session of transport.open_session.

    Out: completions and chunks as the provider gave them, usage checked. `extra_headers` are sent with each request and,
    like the key, never shown. Raises InvalidRequest for a URL or key that cannot be used, else one ProviderError a call.
    """

    path = "/chat/completions"

    def __init__(
        self, *, name: str, base_url: str, session: "ClientSession", api_key: str | None = None,
        extra_headers: Mapping[str, str] | None = None, patience: Patience = PATIENCE,
    ) -> None:  # fmt: skip
        self.name = name
        self._session, self._patience = session, patience
        self._url = checked_base_url(base_url) + self.path
        self._secrets = tuple(filter(None, (api_key, *(extra_headers or {}).values())))
        self._headers = {"Content-Type": "application/json", "User-Agent": "cascadeflow", **(extra_headers or {})}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        if not all(value.isprintable() and value.isascii() for value in self._headers.values()):
            raise InvalidRequest("the key or a header holds characters that cannot be sent in an HTTP header", param="api_key")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def encode(self, request: CompletionRequest, *, stream: bool) -> bytes:
        """Return the body of a request."""
        return encode_request(request=request, stream=stream)

    def decode(self, body: bytes) -> Completion:
        """Return the completion of a 200 answer. Raises ProviderBroken."""
        return decode_answer(body=body, provider=self.name)

    def events(self, request: CompletionRequest) -> AsyncGenerator[bytes, None]:
        """Return the data of the events that a streamed answer consists of, one attempt."""
        return post_events(
            session=self._session, provider=self.name, url=self._url, headers=self._headers, body=self.encode(request, stream=True),
            timeout_s=request.timeout_s, refusal=self._refusal, patience=self._patience,
        )  # fmt: skip

    async def complete(self, request: CompletionRequest) -> Completion:
        answer = await post_json(
            session=self._session, provider=self.name, url=self._url, headers=self._headers, body=self.encode(request, stream=False),
            timeout_s=request.timeout_s, patience=self._patience,
        )  # fmt: skip
        if answer.status != 200:
            raise self._refusal(answer)
        return self.decode(answer.body)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        finished = False
        usage: dict[str, Any] | None = None
        async with aclosing(self.events(request)) as events:
            async for payload in events:
                if payload == END_OF_STREAM:
                    break
                chunk = decode_chunk(payload=payload, provider=self.name)
                choices = chunk["choices"]
                if chunk.get("usage"):
                    # Some send it with the last words, some by itself, some twice: ours comes once and last.
                    usage = {**chunk, "choices": []}
                    del chunk["usage"]
                    if not choices:
                        continue
                finished = finished or any(choice.get("finish_reason") for choice in choices)
                yield chunk
        if not finished:
            raise ProviderBroken(f"{self.name} ended its stream before the answer was finished", provider=self.name)
        if usage is not None:
            yield usage

    def _refusal(self, answer: Answer) -> ProviderError:
        return refusal(status=answer.status, headers=answer.headers, body=answer.body, provider=self.name, secrets=self._secrets)


def checked_base_url(base_url: str) -> str:
    """Return the URL without a trailing slash. Raises InvalidRequest unless it is plain http(s) with a host and no more than a path.

    Where it leads is judged at each connect, by the session.
    """
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or not (base_url.isascii() and base_url.isprintable()):
        raise InvalidRequest("the base URL must read https://host[:port]/path, without user, query or fragment", param="base_url")
    if any(character in base_url for character in ' \\"<>'):
        raise InvalidRequest("the base URL holds characters that must not stand in a URL", param="base_url")
    return base_url.rstrip("/")
