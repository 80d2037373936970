"""The contract of a provider, in one screen.

A provider turns a CompletionRequest into a Completion, or raises one of the ProviderError classes of
cascade.engine.errors. Which class it raises decides what is booked: see `sent` there. It makes exactly one attempt:
retries, fallbacks and budgets are the agent's business.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any

from cascade.engine.values import Completion, CompletionRequest

Chunk = Mapping[str, Any]
"""One `chat.completion.chunk` object in OpenAI's form."""


class BaseProvider(ABC):
    """One configured connection to a provider."""

    name: str
    """Slug of the connection, for error messages and traces."""

    @abstractmethod
    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer. Raises ProviderError."""

    @abstractmethod
    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's chunks as they come, the one with `usage` (empty `choices`) last. Raises ProviderError.

        A stream that ends without a finish reason raises ProviderBroken.
        """

    async def close(self) -> None:  # noqa: B027 - most providers hold nothing that needs closing
        """Release what the connection holds."""
