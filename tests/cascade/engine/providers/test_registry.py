"""The supported providers are rows; their facts are those of the bundled price map."""

import json
import subprocess
import sys
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import InvalidRequest
from cascade.engine.providers.cohere import CohereProvider
from cascade.engine.providers.litellm import LiteLLMProvider
from cascade.engine.providers.openai_compatible import OpenAICompatibleProvider
from cascade.engine.providers.registry import CHECKED_ON, SIMULATED, SUPPORTED_PROVIDERS, ModelSpec, build_provider, provider_spec
from cascade.engine.providers.simulated import SimulatedProvider
from cascade.engine.providers.vllm import VLLMProvider
from tests.cascade.engine.providers.conftest import ROOT

MAP_PREFIXES = {
    "openai": "", "anthropic": "", "groq": "groq/", "ollama": "ollama/", "fireworks": "fireworks_ai/", "together": "together_ai/",
    "deepseek": "deepseek/", "vertex_ai": "", "cohere": "",
}  # fmt: skip
MODELS = [
    (slug, model)
    for slug, spec in SUPPORTED_PROVIDERS.items()
    for model in (spec.default_draft_model, spec.default_strong_model)
    if slug in MAP_PREFIXES
]


@pytest.fixture(scope="session")
def price_map() -> dict[str, Any]:
    found = find_spec("litellm")  # by path: importing it takes seconds
    assert found is not None
    assert found.origin is not None
    return dict(json.loads((Path(found.origin).parent / "model_prices_and_context_window_backup.json").read_text()))


def test_exactly_the_ten_providers_are_supported() -> None:
    assert list(SUPPORTED_PROVIDERS) == [
        "openai", "anthropic", "groq", "ollama", "vllm", "fireworks", "together", "deepseek", "vertex_ai", "cohere",
    ]  # fmt: skip
    assert all(slug == spec.slug for slug, spec in SUPPORTED_PROVIDERS.items())


@pytest.mark.parametrize(("slug", "model"), MODELS, ids=lambda value: getattr(value, "name", value))
def test_models_and_prices_are_those_of_the_price_map(price_map: dict[str, Any], slug: str, model: ModelSpec) -> None:
    entry = price_map[MAP_PREFIXES[slug] + model.name]

    def usd(key: str) -> Decimal | None:
        return None if entry.get(key) is None else Decimal(str(entry[key])) * 1_000_000

    assert Decimal(model.input_usd) == usd("input_cost_per_token")
    assert Decimal(model.output_usd) == usd("output_cost_per_token")
    assert (model.cached_input_usd and Decimal(model.cached_input_usd)) == usd("cache_read_input_token_cost")
    assert (model.cache_write_usd and Decimal(model.cache_write_usd)) == (usd("cache_creation_input_token_cost") or None)
    assert model.context_tokens <= entry["max_input_tokens"]
    assert model.max_output_tokens <= entry.get("max_output_tokens", entry["max_tokens"])
    dearer = [int(key.split("_above_")[1].split("k_")[0]) * 1000 for key in entry if key.startswith("input_cost_per_token_above_")]
    assert all(model.context_tokens <= threshold for threshold in dearer)


@pytest.mark.parametrize(("slug", "model"), MODELS, ids=lambda value: getattr(value, "name", value))
def test_no_default_model_was_retired_when_it_was_checked(price_map: dict[str, Any], slug: str, model: ModelSpec) -> None:
    retired_on = price_map[MAP_PREFIXES[slug] + model.name].get("deprecation_date")
    assert model.retired_on == retired_on
    assert retired_on is None or retired_on > CHECKED_ON


def test_the_registry_is_imported_without_litellm() -> None:
    code = "import sys, cascade.engine.providers.registry; sys.exit(not {'litellm', 'django'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.asyncio
async def test_each_row_builds_its_kind_of_provider(session: ClientSession) -> None:
    kinds = {"openai_compatible": OpenAICompatibleProvider, "vllm": VLLMProvider, "cohere": CohereProvider, "litellm": LiteLLMProvider}
    for slug, spec in SUPPORTED_PROVIDERS.items():
        provider = build_provider(spec=slug, name=f"acme-{slug}", session=session, api_key="sk-secret-key-of-acme")
        assert type(provider) is kinds[spec.kind]
        assert provider.name == f"acme-{slug}"
        assert "secret" not in repr(provider)
    assert type(build_provider(spec=SIMULATED, name="demo", session=session)) is SimulatedProvider


@pytest.mark.asyncio
async def test_an_unknown_provider_is_refused_with_the_supported_ones_named(session: ClientSession) -> None:
    with pytest.raises(InvalidRequest, match="anthropic, cohere, deepseek, fireworks, groq, ollama, openai, together, vertex_ai, vllm"):
        build_provider(spec="acme-ai", name="x", session=session)
    assert provider_spec("simulated") is SIMULATED


@pytest.mark.asyncio
async def test_litellm_gets_a_key_or_is_not_built(session: ClientSession) -> None:
    with pytest.raises(InvalidRequest, match="needs an API key"):
        build_provider(spec="anthropic", name="acme-anthropic", session=session)
