"""A vLLM server of one's own."""

from cascade.engine.providers.openai_compatible import OpenAICompatibleProvider

__all__ = ["VLLMProvider"]


class VLLMProvider(OpenAICompatibleProvider):
    """vLLM speaks OpenAI's protocol; what it needs is its endpoint (".../v1") and, when started with --api-key, that key."""
