"""Cohere, in its own v2 format: LiteLLM's reading of it loses finish reasons, the choice of a tool, and most of a stream."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from cascade.engine.errors import ProviderBroken
from cascade.engine.providers.base import Chunk
from cascade.engine.providers.cohere_format import EventReader, decode_answer, encode_request
from cascade.engine.providers.openai_compatible import OpenAICompatibleProvider
from cascade.engine.providers.transport import END_OF_STREAM
from cascade.engine.values import Completion, CompletionRequest

__all__ = ["CohereProvider"]


class CohereProvider(OpenAICompatibleProvider):
    """Chats by /v2/chat. In: the base URL ending in "/v2", or in "/v2/chat". Out: as BaseProvider.

    A parameter that Cohere does not know raises ProviderRefused with sent = False. The `user` of a call is not passed on: Cohere has none.
    """

    path = "/chat"

    def __init__(self, *, base_url: str, **options: Any) -> None:
        super().__init__(base_url=base_url.rstrip("/").removesuffix(self.path), **options)

    def encode(self, request: CompletionRequest, *, stream: bool) -> bytes:
        return encode_request(request=request, provider=self.name, stream=stream)

    def decode(self, body: bytes) -> Completion:
        return decode_answer(body=body, provider=self.name)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        reader = EventReader(provider=self.name)
        async with aclosing(self.events(request)) as events:
            async for payload in events:
                if payload == END_OF_STREAM:
                    break
                chunk = reader.read(payload)
                if chunk is not None:
                    yield chunk
        if not reader.is_finished:
            raise ProviderBroken(f"{self.name} ended its stream before the answer was finished", provider=self.name)
        if reader.usage is not None:
            yield reader.usage
