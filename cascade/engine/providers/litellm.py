"""The one door to LiteLLM at run time: translation for providers with a wire format of their own.

LiteLLM is imported at the first call only, and off the event loop: it takes seconds and 180 MB. It translates; it does not
connect, retry, count or price. Where it makes things up (a finish reason for a stream that broke off, token counts that the
provider never sent) its word is not taken.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cascade.engine.errors import InvalidRequest, ProviderBroken, ProviderError, ProviderRefused
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.providers.openai_compatible import checked_base_url
from cascade.engine.providers.openai_format import GIVEN_BY_US, is_empty, usage_of
from cascade.engine.providers.transport import PATIENCE, Patience
from cascade.engine.providers.upstream_errors import shorten
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


CURRENT_WIRE: ContextVar["Wire"] = ContextVar("CURRENT_WIRE")
"""The wire of the call that this task makes. Without one LiteLLM cannot connect at all."""

PREFIXES = ("anthropic", "gemini")
"""Where LiteLLM was seen to go by our wire, and so to connect nowhere that is not allowed."""

TRANSLATED = frozenset((
    "temperature", "top_p", "stop", "presence_penalty", "frequency_penalty", "logit_bias", "response_format", "seed", "tools",
    "tool_choice", "parallel_tool_calls", "functions", "function_call", "logprobs", "top_logprobs", "reasoning_effort", "verbosity",
    "modalities", "audio", "prediction", "web_search_options", "service_tier", "safety_identifier", "prompt_cache_key", "user",
))  # fmt: skip
"""OpenAI's fields that LiteLLM translates or refuses. Its many other arguments steer LiteLLM itself and are no caller's business."""


class Loaded(Struct, frozen=True):
    """LiteLLM and the two classes that carry its requests."""

    module: Any
    handler: Any
    wire: Any


@lru_cache(maxsize=1)
def load_litellm() -> Loaded:
    os.environ.update(SETTINGS)
    import litellm
    from litellm.llms.custom_httpx import llm_http_handler
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    from cascade.engine.providers.litellm_wire import Wire

    def only_by_wire(*_: Any, **__: Any) -> Any:
        return AsyncHTTPHandler(transport=CURRENT_WIRE.get(), follow_redirects=False)

    # LiteLLM has been seen to drop the client it is given and to make one of its own, past our guard.
    handlers: Any = llm_http_handler
    handlers.get_async_httpx_client = only_by_wire
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # its warnings and errors quote requests
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False  # a parameter that cannot be translated is an error, not a surprise
    litellm.modify_params = False
    litellm.num_retries = 0
    return Loaded(litellm, AsyncHTTPHandler, Wire)


class LiteLLMProvider(BaseProvider):
    """Anthropic and Vertex AI by LiteLLM's translation.

    In: `prefix`, LiteLLM's name for the provider, and always base URL and key, for LiteLLM would take missing ones from the
    environment. Out: as BaseProvider; a parameter that the provider does not know raises ProviderRefused with sent = False.
    """

    def __init__(
        self, *, name: str, prefix: str, base_url: str, session: "ClientSession", api_key: str | None, patience: Patience = PATIENCE
    ) -> None:
        if prefix not in PREFIXES:
            raise ValueError(f"prefix must be one of {', '.join(PREFIXES)}, not {prefix!r}")
        if not api_key:
            raise InvalidRequest(f"{name} needs an API key", param="api_key")
        if not (api_key.isascii() and api_key.isprintable()):
            raise InvalidRequest("the key holds characters that cannot be sent in an HTTP header", param="api_key")
        self.name = name
        self._prefix = prefix
        self._base_url = checked_base_url(base_url)
        self._session, self._patience = session, patience
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
                    finished = wire.saw_finish
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
        arguments = self._arguments(request=request, stream=stream)
        wire = loaded.wire(
            session=self._session, provider=self.name, secrets=(self._api_key,), timeout_s=request.timeout_s, patience=self._patience,
            stream=stream,
        )  # fmt: skip
        client = loaded.handler(transport=wire, follow_redirects=False)
        CURRENT_WIRE.set(wire)
        try:
            return await loaded.module.acompletion(**arguments, client=client), wire
        except Exception as failure:  # LiteLLM raises many classes for one cause; the wire knows which it was
            problem = self._problem(wire=wire, failure=failure)
        raise problem

    def _arguments(self, *, request: CompletionRequest, stream: bool) -> dict[str, Any]:
        unknown = sorted(set(request.parameters) - TRANSLATED - set(GIVEN_BY_US))
        if unknown:
            raise self._refused(f"it knows no parameter {', '.join(unknown)}")
        arguments = {name: value for name, value in request.parameters.items() if name in TRANSLATED}
        arguments.update(
            model=f"{self._prefix}/{request.model.upstream_name}",
            messages=[dict(message) for message in request.messages],
            max_tokens=request.max_tokens,
            api_key=self._api_key, api_base=self._base_url, timeout=request.timeout_s, num_retries=0, max_retries=0,
            _skip_mcp_handler=True,  # or any tool makes LiteLLM import an extra that is not installed
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
        # LiteLLM's own words quote prompts and answers, so they go into no message; nor does the error, as a cause.
        if wire.used:
            return ProviderBroken(f"{self.name} sent an answer that cannot be translated, or an error in its midst", provider=self.name)
        if type(failure).__name__ == "UnsupportedParamsError":
            return self._refused(str(failure).split(". ")[0])
        return self._refused("it cannot be translated")

    def _refused(self, said: str) -> ProviderRefused:
        refused = ProviderRefused(f"{self.name} cannot take this request: {shorten(said)}", provider=self.name)
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
    """Return the message without LiteLLM's empty extras: None, empty, or a mapping of nothing but such."""
    return {name: value for name, value in message.items() if name == "content" or holds_something(value)}


def holds_something(value: Any) -> bool:
    return any(map(holds_something, value.values())) if isinstance(value, Mapping) else value not in (None, [])


def plain_chunk(chunk: Mapping[str, Any]) -> dict[str, Any]:
    return {**chunk, "choices": [{"finish_reason": None, **choice, "delta": plain_message(choice["delta"])} for choice in chunk["choices"]]}
