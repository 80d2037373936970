"""The one door to LiteLLM at run time: translation for providers with a wire format of their own.

LiteLLM is imported at the first call only, and off the event loop: it takes seconds and 180 MB. It translates; it does not
connect, retry, count or price. Where it makes things up (a finish reason for a stream that broke off, token counts that the
provider never sent) its word is not taken.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cascade.engine.errors import InvalidRequest, ProviderBroken, ProviderError, ProviderRefused
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.providers.openai_compatible import checked_base_url
from cascade.engine.providers.wire import GIVEN_BY_US, is_empty, shorten, usage_of
from cascade.engine.values import Completion, CompletionRequest

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from cascade.engine.providers.litellm_wire import Wire

__all__ = ["LiteLLMProvider"]

SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or the import fetches a price list
    "HF_HUB_OFFLINE": "1",  # or counting tokens asks a hub for tokenizers
    "LITELLM_TELEMETRY": "False",
    "LITELLM_MODE": "PRODUCTION",  # or the import reads a .env file
}


class Loaded(Struct, frozen=True):
    """LiteLLM and the two classes that carry its requests."""

    module: Any
    handler: Any
    wire: Any


@lru_cache(maxsize=1)
def load_litellm() -> Loaded:
    os.environ.update(SETTINGS)
    import litellm
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    from cascade.engine.providers.litellm_wire import Wire

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False  # a parameter that cannot be translated is an error, not a surprise
    litellm.modify_params = False
    litellm.num_retries = 0
    return Loaded(litellm, AsyncHTTPHandler, Wire)


class LiteLLMProvider(BaseProvider):
    """Anthropic, Vertex AI and Cohere by LiteLLM's translation.

    In: `prefix`, LiteLLM's name for the provider, and always base URL and key, for LiteLLM would take missing ones from the
    environment. Out: as BaseProvider; a parameter that the provider does not know raises ProviderRefused with sent = False.
    """

    def __init__(self, *, name: str, prefix: str, base_url: str, session: "ClientSession", api_key: str | None) -> None:
        if not api_key:
            raise InvalidRequest(f"{name} needs an API key", param="api_key")
        self.name = name
        self._prefix = prefix
        self._base_url = checked_base_url(base_url)
        self._session = session
        self._api_key = api_key

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    async def complete(self, request: CompletionRequest) -> Completion:
        answer, wire = await self._call(request=request, stream=False)
        return self._completion(answer=answer.model_dump(exclude_none=True), wire=wire)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        answer, wire = await self._call(request=request, stream=True)
        usage: dict[str, Any] | None = None
        finished = False
        try:
            while (given := await self._next(answer=answer, wire=wire)) is not None:
                chunk = plain_chunk(given)
                if "usage" in chunk:
                    usage = {**chunk, "choices": []}
                    continue
                if any(choice.get("finish_reason") for choice in chunk["choices"]):
                    finished = bool(answer.received_finish_reason)
                    if not finished:
                        break
                yield chunk
        finally:
            await answer.aclose()
        if not finished:
            raise ProviderBroken(f"{self.name} ended its stream before the answer was finished", provider=self.name)
        if usage is not None and wire.saw_usage:
            usage["usage"].pop("cost", None)  # prices are ours alone
            usage_of(given=usage["usage"], provider=self.name)
            yield usage

    async def _call(self, *, request: CompletionRequest, stream: bool) -> tuple[Any, "Wire"]:
        loaded = await asyncio.to_thread(load_litellm) if load_litellm.cache_info().currsize == 0 else load_litellm()
        wire = loaded.wire(
            session=self._session, provider=self.name, secrets=(self._api_key,), timeout_s=request.timeout_s, stream=stream
        )
        client = loaded.handler(transport=wire, follow_redirects=False, timeout=request.timeout_s)
        try:
            return await loaded.module.acompletion(**self._arguments(request=request, stream=stream), client=client), wire
        except Exception as failure:  # LiteLLM raises many classes for one cause; the wire knows which it was
            problem = self._problem(wire=wire, failure=failure)
        raise problem

    def _arguments(self, *, request: CompletionRequest, stream: bool) -> dict[str, Any]:
        arguments = {name: value for name, value in request.parameters.items() if name not in GIVEN_BY_US}
        arguments.update(
            model=f"{self._prefix}/{request.model.upstream_name}",
            messages=[dict(message) for message in request.messages],
            max_tokens=request.max_tokens,
            api_key=self._api_key, api_base=self._base_url, timeout=request.timeout_s, num_retries=0, max_retries=0,
        )  # fmt: skip
        if request.user is not None:
            arguments["user"] = request.user
        if stream:
            arguments.update(stream=True, stream_options={"include_usage": True})
        return arguments

    async def _next(self, *, answer: Any, wire: "Wire") -> Mapping[str, Any] | None:
        try:
            chunk = await anext(answer, None)
        except Exception as failure:  # as in _call
            problem = self._problem(wire=wire, failure=failure)
        else:
            return None if chunk is None else chunk.model_dump(exclude_none=True)
        raise problem

    def _problem(self, *, wire: "Wire", failure: Exception) -> ProviderError:
        """Return what really happened: as the wire saw it, else a request that could not, or an answer that cannot be translated."""
        if wire.failure is not None:
            return wire.failure
        said = shorten(str(failure), secrets=(self._api_key,))
        if wire.used:
            return ProviderBroken(f"{self.name} sent an answer that cannot be used: {said}", provider=self.name)
        refused = ProviderRefused(f"{self.name} cannot take this request: {said}", provider=self.name)
        refused.sent = False
        return refused

    def _completion(self, *, answer: dict[str, Any], wire: "Wire") -> Completion:
        choices = answer.get("choices") or [{}]
        message = plain_message(choices[0].get("message") or {})
        finish_reason = choices[0].get("finish_reason")
        if is_empty(message, finish_reason):
            raise ProviderBroken(f"{self.name} answered with an empty message", provider=self.name, upstream_status=200)
        return Completion(
            message=message,
            finish_reason=finish_reason or "stop",
            usage=usage_of(given=answer.get("usage"), provider=self.name) if wire.saw_usage else None,
            model=answer.get("model") or "",
            request_id=answer.get("id"),
            system_fingerprint=answer.get("system_fingerprint"),
        )


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message without LiteLLM's empty extras."""
    return {name: value for name, value in message.items() if name == "content" or value not in ({}, [])}


def plain_chunk(chunk: Mapping[str, Any]) -> dict[str, Any]:
    return {**chunk, "choices": [{"finish_reason": None, **choice, "delta": plain_message(choice["delta"])} for choice in chunk["choices"]]}
