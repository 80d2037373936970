"""The supported providers, as rows. A further OpenAI-compatible provider is one more row.

Names and prices were read from LiteLLM's bundled price map (1.106.2) on the day in CHECKED_ON; where that map prices long
prompts higher, `context_tokens` ends where the plain price ends, so that no call is ever priced too low.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from billing.engine.money import to_nusd
from billing.engine.pricing import Price
from cascade.engine.errors import InvalidRequest
from cascade.engine.providers.base import BaseProvider
from cascade.engine.providers.cohere import CohereProvider
from cascade.engine.providers.litellm import LiteLLMProvider
from cascade.engine.providers.openai_compatible import OpenAICompatibleProvider
from cascade.engine.providers.simulated import SimulatedProvider
from cascade.engine.providers.transport import Patience
from cascade.engine.providers.vllm import VLLMProvider
from cascade.engine.values import ModelConfig

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["SIMULATED", "SUPPORTED_PROVIDERS", "ModelSpec", "ProviderSpec", "build_provider", "provider_spec", "starting_models"]

CHECKED_ON = "2026-11-23"


class ModelSpec(Struct, frozen=True, kw_only=True):
    """A model worth starting with. Prices are decimal USD per million tokens; None costs what its whole costs."""

    name: str
    input_usd: str
    output_usd: str
    cached_input_usd: str | None = None
    cache_write_usd: str | None = None
    context_tokens: int
    max_output_tokens: int
    retired_on: str | None = None
    """ISO date after which the provider no longer serves it, where announced."""
    checked_on: str = CHECKED_ON


class ProviderSpec(Struct, frozen=True, kw_only=True):
    """How to talk to one provider, and its two models to start with."""

    slug: str
    title: str
    kind: Literal["openai_compatible", "vllm", "cohere", "litellm", "simulated"]
    base_url: str
    key_variable: str | None = None
    """Name of the environment variable that customarily holds the key; None when no key is needed."""
    cap_parameter: str = "max_tokens"
    token_bound: Literal["bytes", "nfkc_bytes"] = "nfkc_bytes"  # noqa: S105 - a model's token, no secret
    """What bounds a text's tokens from above: its UTF-8 bytes, where the tokenizer works on bytes as they are, or the longer
    of those and the bytes after NFKC, where it normalises first or is not known (hosts of many model families)."""
    patience: Patience = Patience(connect_s=5.0)
    """Within the time of a step. A model that thinks says nothing meanwhile, so silence is cut short only where answers come fast."""
    litellm_prefix: str | None = None
    default_draft_model: ModelSpec
    default_strong_model: ModelSpec


SUPPORTED_PROVIDERS: Mapping[str, ProviderSpec] = {
    spec.slug: spec
    for spec in (
        ProviderSpec(
            slug="openai", title="OpenAI", kind="openai_compatible", base_url="https://api.openai.com/v1",
            key_variable="OPENAI_API_KEY", cap_parameter="max_completion_tokens", litellm_prefix="openai",
            token_bound="bytes",  # noqa: S106
            default_draft_model=ModelSpec(
                name="gpt-5.6-luna", input_usd="0.20", output_usd="1.20", cached_input_usd="0.02", cache_write_usd="0.25",
                context_tokens=272_000, max_output_tokens=128_000,
            ),
            default_strong_model=ModelSpec(
                name="gpt-5.6-terra", input_usd="2.00", output_usd="12.00", cached_input_usd="0.20", cache_write_usd="2.50",
                context_tokens=272_000, max_output_tokens=128_000,
            ),
        ),
        ProviderSpec(
            slug="anthropic", title="Anthropic", kind="litellm", base_url="https://api.anthropic.com",
            key_variable="ANTHROPIC_API_KEY", litellm_prefix="anthropic",
            default_draft_model=ModelSpec(
                name="claude-haiku-5-5", input_usd="0.10", output_usd="0.50", cached_input_usd="0.01", cache_write_usd="0.125",
                context_tokens=100_000, max_output_tokens=128_000,
            ),
            default_strong_model=ModelSpec(
                name="claude-sonnet-5-5", input_usd="2.00", output_usd="10.00", cached_input_usd="0.10", cache_write_usd="2.50",
                context_tokens=1_000_000, max_output_tokens=128_000,
            ),
        ),
        ProviderSpec(
            slug="groq", title="Groq", kind="openai_compatible", base_url="https://api.groq.com/openai/v1",
            key_variable="GROQ_API_KEY", litellm_prefix="groq", patience=Patience(connect_s=5.0, silence_s=30.0),
            default_draft_model=ModelSpec(
                name="openai/gpt-oss-20b", input_usd="0.075", output_usd="0.30", cached_input_usd="0.0375",
                context_tokens=131_072, max_output_tokens=65_536,
            ),
            default_strong_model=ModelSpec(
                name="openai/gpt-oss-120b", input_usd="0.15", output_usd="0.60", cached_input_usd="0.075",
                context_tokens=131_072, max_output_tokens=65_536,
            ),
        ),
        ProviderSpec(
            slug="ollama", title="Ollama", kind="openai_compatible", base_url="http://127.0.0.1:11434/v1", litellm_prefix="ollama",
            patience=Patience(connect_s=3.0),
            default_draft_model=ModelSpec(
                name="llama3.1", input_usd="0", output_usd="0", context_tokens=8_192, max_output_tokens=8_192,
            ),
            default_strong_model=ModelSpec(
                name="llama3:70b", input_usd="0", output_usd="0", context_tokens=8_192, max_output_tokens=8_192,
            ),
        ),
        ProviderSpec(  # the price map has no vLLM entries: one's own machines have no token price
            slug="vllm", title="vLLM", kind="vllm", base_url="http://127.0.0.1:8000/v1", litellm_prefix="hosted_vllm",
            patience=Patience(connect_s=3.0),
            default_draft_model=ModelSpec(
                name="openai/gpt-oss-20b", input_usd="0", output_usd="0", context_tokens=131_072, max_output_tokens=32_768,
            ),
            default_strong_model=ModelSpec(
                name="openai/gpt-oss-120b", input_usd="0", output_usd="0", context_tokens=131_072, max_output_tokens=32_768,
            ),
        ),
        ProviderSpec(
            slug="fireworks", title="Fireworks AI", kind="openai_compatible", base_url="https://api.fireworks.ai/inference/v1",
            key_variable="FIREWORKS_API_KEY", litellm_prefix="fireworks_ai",
            default_draft_model=ModelSpec(
                name="accounts/fireworks/models/gpt-oss-20b", input_usd="0.07", output_usd="0.30", cached_input_usd="0.035",
                context_tokens=131_072, max_output_tokens=32_768,
            ),
            default_strong_model=ModelSpec(
                name="accounts/fireworks/models/glm-5p3", input_usd="1.40", output_usd="4.40", cached_input_usd="0.26",
                context_tokens=1_048_576, max_output_tokens=128_000,
            ),
        ),
        ProviderSpec(  # the price map gives no output limits for these two: ours are cautious
            slug="together", title="Together AI", kind="openai_compatible", base_url="https://api.together.xyz/v1",
            key_variable="TOGETHER_API_KEY", litellm_prefix="together_ai",
            default_draft_model=ModelSpec(
                name="Qwen/Qwen3.8-Flash", input_usd="0.15", output_usd="0.47", context_tokens=1_000_000, max_output_tokens=16_384,
            ),
            default_strong_model=ModelSpec(
                name="deepseek-ai/DeepSeek-V4.1-Flash-1017", input_usd="0.30", output_usd="1.20", cached_input_usd="0.006",
                context_tokens=1_048_576, max_output_tokens=16_384,
            ),
        ),
        ProviderSpec(
            slug="deepseek", title="DeepSeek", kind="openai_compatible", base_url="https://api.deepseek.com/v1",
            key_variable="DEEPSEEK_API_KEY", litellm_prefix="deepseek",
            token_bound="bytes",  # noqa: S106
            default_draft_model=ModelSpec(
                name="deepseek-v4-flash", input_usd="0.30", output_usd="1.20", cached_input_usd="0.006",
                context_tokens=1_000_000, max_output_tokens=393_216,
            ),
            default_strong_model=ModelSpec(
                name="deepseek-v4-pro", input_usd="1.32", output_usd="3.96", cached_input_usd="0.044",
                context_tokens=1_000_000, max_output_tokens=393_216,
            ),
        ),
        ProviderSpec(  # by API key, which LiteLLM knows as its "gemini" dialect: the same format, and no code of Google's needed
            slug="vertex_ai", title="Google Vertex AI", kind="litellm",
            base_url="https://aiplatform.googleapis.com/v1/publishers/google", key_variable="VERTEX_API_KEY", litellm_prefix="gemini",
            default_draft_model=ModelSpec(
                name="gemini-3.5-flash-lite", input_usd="0.30", output_usd="2.50", cached_input_usd="0.03",
                context_tokens=1_048_576, max_output_tokens=65_536, retired_on="2027-07-21",
            ),
            default_strong_model=ModelSpec(
                name="gemini-3.8-flash", input_usd="0.75", output_usd="3.75", cached_input_usd="0.075",
                context_tokens=1_048_576, max_output_tokens=65_536,
            ),
        ),
        ProviderSpec(
            slug="cohere", title="Cohere", kind="cohere", base_url="https://api.cohere.com/v2",
            key_variable="COHERE_API_KEY", litellm_prefix="cohere_chat",
            default_draft_model=ModelSpec(
                name="command-r7b-12-2024", input_usd="0.0375", output_usd="0.15", context_tokens=128_000, max_output_tokens=4_096,
            ),
            default_strong_model=ModelSpec(
                name="command-a-03-2025", input_usd="2.50", output_usd="10.00", context_tokens=256_000, max_output_tokens=8_000,
            ),
        ),
    )
}  # fmt: skip

SIMULATED = ProviderSpec(
    slug="simulated", title="Simulated (no key, no network)", kind="simulated", base_url="",
    token_bound="bytes",  # noqa: S106
    default_draft_model=ModelSpec(
        name="simulated-mini", input_usd="0.15", output_usd="0.60", context_tokens=128_000, max_output_tokens=16_384,
    ),
    default_strong_model=ModelSpec(
        name="simulated-large", input_usd="2.50", output_usd="10.00", context_tokens=128_000, max_output_tokens=16_384,
    ),
)  # fmt: skip
"""Kept apart from the supported providers: off in production. Its prices are made up, as its answers are."""


def provider_spec(slug: str) -> ProviderSpec:
    """Return the row of this slug, the simulated one included. Raises InvalidRequest that names the supported ones."""
    if slug == SIMULATED.slug:
        return SIMULATED
    try:
        return SUPPORTED_PROVIDERS[slug]
    except KeyError:
        supported = ", ".join(sorted(SUPPORTED_PROVIDERS))
        raise InvalidRequest(f"provider {slug[:60]!r} is not supported; supported are {supported}", param="provider") from None


def starting_models(spec: ProviderSpec) -> tuple[ModelConfig, ModelConfig]:
    """Return a provider's two models to start with at their list prices, the one that drafts first, reached by a connection of its slug."""
    draft, strong = (_model(spec, model) for model in (spec.default_draft_model, spec.default_strong_model))
    return draft, strong


def _model(spec: ProviderSpec, model: ModelSpec) -> ModelConfig:
    cached, write = ((to_nusd(usd) if usd is not None else None) for usd in (model.cached_input_usd, model.cache_write_usd))
    price = Price(
        version=f"list price of {model.checked_on}", input_nusd=to_nusd(model.input_usd), output_nusd=to_nusd(model.output_usd),
        cached_input_nusd=cached, cache_write_nusd=write,
    )  # fmt: skip
    return ModelConfig(
        name=model.name, provider=spec.slug, upstream_name=model.name, price=price, context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens, cap_parameter=spec.cap_parameter, retired_on=model.retired_on,
    )  # fmt: skip


def build_provider(
    *, spec: ProviderSpec | str, name: str, session: "ClientSession", base_url: str | None = None, api_key: str | None = None
) -> BaseProvider:
    """Return a provider for one configured connection. `spec` is a row or its slug, `base_url` replaces the row's own.

    Raises InvalidRequest for an unknown slug, an unusable URL or key, and a missing key where none would be answered.
    """
    row = provider_spec(spec) if isinstance(spec, str) else spec
    url = base_url or row.base_url
    if row.kind == "simulated":
        return SimulatedProvider(name=name)
    if row.kind == "litellm":
        prefix = row.litellm_prefix or row.slug
        return LiteLLMProvider(name=name, prefix=prefix, base_url=url, session=session, api_key=api_key, patience=row.patience)
    if row.kind == "cohere" and not api_key:
        raise InvalidRequest(f"{name} needs an API key", param="api_key")
    kinds: Mapping[str, type[OpenAICompatibleProvider]] = {"vllm": VLLMProvider, "cohere": CohereProvider}
    return kinds.get(row.kind, OpenAICompatibleProvider)(name=name, base_url=url, session=session, api_key=api_key, patience=row.patience)
