"""LiteLLM's price map, entry by entry: what each says in our terms, and the rule for each gap. docs/guides/prices.md tells the rules to people.

The map is a community's: half of its priced models have no price for cached input, some have one of 0 that is none, and its numbers are
floats. One thought rules all gaps: nothing is priced too low without being told so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec
from msgspec import Struct

from billing.engine.money import MAX_NUSD, NUSD_PER_USD, TOKENS_PER_PRICE

Terms = Mapping[str, int | None]
"""What a version costs, by the columns of the price book."""


class MapSource(Struct, frozen=True, kw_only=True):
    """Where a provider's models are in the map."""

    names: tuple[str, ...]
    """Their `litellm_provider`."""
    prefix: str
    """Stands before the provider's own name of the model."""
    is_prefix_needed: bool = True
    """Are entries without the prefix something else (together's are sizes of models), or a second copy?"""
    is_self_hosted: bool = False
    """Does it run on one's own machines, so that a price of 0 is meant?"""


SOURCES: Mapping[str, MapSource] = {
    "openai": MapSource(names=("openai",), prefix="openai/", is_prefix_needed=False),
    "anthropic": MapSource(names=("anthropic",), prefix="anthropic/", is_prefix_needed=False),
    "groq": MapSource(names=("groq",), prefix="groq/"),
    "ollama": MapSource(names=("ollama",), prefix="ollama/", is_self_hosted=True),
    "vllm": MapSource(names=("hosted_vllm",), prefix="hosted_vllm/", is_self_hosted=True),  # without entries so far
    "fireworks": MapSource(names=("fireworks_ai",), prefix="fireworks_ai/"),
    "together": MapSource(names=("together_ai",), prefix="together_ai/"),
    "deepseek": MapSource(names=("deepseek",), prefix="deepseek/"),
    "vertex_ai": MapSource(names=("vertex_ai-language-models",), prefix="vertex_ai/", is_prefix_needed=False),
    "cohere": MapSource(names=("cohere", "cohere_chat"), prefix="cohere/", is_prefix_needed=False),
}
"""By the slugs that connections have."""
LONG = re.compile(r"(input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost)_above_(\d+)k_tokens")
SCALE = Decimal(NUSD_PER_USD) * TOKENS_PER_PRICE


class Listed(Struct, frozen=True, kw_only=True):
    """A model of the map: its terms with what was decided about gaps, or why it is not taken."""

    provider: str
    model: str
    terms: Terms = {}
    notes: tuple[str, ...] = ()
    objection: str = ""


class NotAPrice(ValueError):
    """The entry says something that is no price we can hold."""


def read_map(entries: Mapping[str, Any], *, today: str) -> Iterator[Listed]:
    """Yield each chat model of the providers that we know. `today` is an ISO date; numbers should be Decimal (json's parse_float)."""
    by_name = {name: (slug, source) for slug, source in SOURCES.items() for name in source.names}
    found: dict[tuple[str, str], list[Listed]] = {}
    for key, entry in entries.items():
        place = by_name.get(str(entry.get("litellm_provider"))) if isinstance(entry, dict) and entry.get("mode") == "chat" else None
        if place is None:
            continue
        slug, source = place
        if source.is_prefix_needed and not key.startswith(source.prefix):
            continue
        model = key.removeprefix(source.prefix)
        found.setdefault((slug, model), []).append(read_entry(entry, provider=slug, model=model, today=today))
    yield from map(_dearest, found.values())


def _dearest(entries: Sequence[Listed]) -> Listed:
    """Of entries for one model the dearest counts."""
    chosen = max(entries, key=lambda entry: (not entry.objection, entry.terms.get("input_nusd") or 0, entry.terms.get("output_nusd") or 0))
    if all(entry.terms == chosen.terms for entry in entries):
        return chosen
    return msgspec.structs.replace(chosen, notes=(*chosen.notes, "the map has it twice: the dearer entry counts"))


def read_entry(entry: Mapping[str, Any], *, provider: str, model: str, today: str) -> Listed:
    """Return one entry in our terms, or the objection to it.

    Worked number: input_cost_per_token 1.5e-07 is 0.15 USD, or 150,000,000 nano-USD, for a million tokens.
    """
    try:
        objection = _objection(entry, model=model, is_self_hosted=SOURCES[provider].is_self_hosted)
        if objection:
            return Listed(provider=provider, model=model, objection=objection)
        terms, notes = _terms(entry)
    except NotAPrice as wrong:
        return Listed(provider=provider, model=model, objection=str(wrong))
    return Listed(provider=provider, model=model, terms=terms, notes=(*notes, *_remarks(entry, today=today)))


def per_million(usd: Any, *, name: str = "price") -> int:
    """Return a price in USD per token as nano-USD per million tokens; what is beyond a nano-USD is rounded up. Raises NotAPrice.

    A float counts as the decimal number that it prints as, which is what its author wrote. Example: `per_million(1.5e-07)` is 150_000_000.
    """
    return _nano(usd, scale=SCALE, name=name)


def _nano(usd: Any, *, scale: Decimal | int, name: str) -> int:
    if isinstance(usd, bool) or not isinstance(usd, int | float | Decimal):
        raise NotAPrice(f"{name} is {str(usd)[:40]!r}, which is no number")
    exact = usd if isinstance(usd, Decimal) else Decimal(repr(usd))
    if not exact.is_finite() or exact < 0 or exact * scale > MAX_NUSD:
        raise NotAPrice(f"{name} is {str(usd)[:40]}, which is no price")
    return int((exact * scale).to_integral_value(rounding=ROUND_CEILING))


def _objection(entry: Mapping[str, Any], *, model: str, is_self_hosted: bool) -> str:
    prices = {name: entry.get(f"{name}_cost_per_token") for name in ("input", "output")}
    missing = [name for name, price in prices.items() if price is None]
    if "tiered_pricing" in entry:
        return "its price goes by steps that the book cannot hold"
    if missing:
        return f"it has no {' and no '.join(missing)} price"
    if is_self_hosted and model.endswith("-cloud"):
        return "it runs on the maker's machines, so a price of 0 is not meant"
    if not is_self_hosted and not all(prices.values()):
        return "its price is 0, which a hosted model's hardly is: give your own if it is"
    return ""


def _terms(entry: Mapping[str, Any]) -> tuple[dict[str, int | None], list[str]]:
    notes: list[str] = []

    def rate(name: str) -> int | None:
        return per_million(entry[name], name=name) if entry.get(name) is not None else None

    terms: dict[str, int | None] = {
        "input_nusd": rate("input_cost_per_token"), "output_nusd": rate("output_cost_per_token"),
        "cached_input_nusd": rate("cache_read_input_token_cost") or None, "cache_write_nusd": rate("cache_creation_input_token_cost") or None,
        "reasoning_nusd": rate("output_cost_per_reasoning_token") or None,
        "request_nusd": _nano(entry.get("input_cost_per_request") or 0, scale=NUSD_PER_USD, name="input_cost_per_request"),
    }  # fmt: skip
    if terms["cache_write_nusd"] is not None and terms["cache_write_nusd"] < (terms["input_nusd"] or 0):
        terms["cache_write_nusd"] = None
        notes.append("a cache write below the input price is not believed: it costs what input costs")
    if terms["input_nusd"] and terms["cached_input_nusd"] is None:
        notes.append("no price for cached input: it costs what input costs")
    return {**terms, **_long_terms(entry, terms=terms, notes=notes)}, notes


def _long_terms(entry: Mapping[str, Any], *, terms: Terms, notes: list[str]) -> dict[str, int | None]:
    """Where long prompts cost more: one step, and where the map has several, the dearest from the first on."""
    steps: dict[str, int] = {}
    limits: set[int] = set()
    for key, value in entry.items():
        step = LONG.fullmatch(key)
        if step and value is not None:
            limits.add(int(step[2]) * 1000)
            steps[step[1]] = max(steps.get(step[1], 0), per_million(value, name=key))
    if not limits:
        return dict.fromkeys(("long_after_tokens", "long_input_nusd", "long_output_nusd", "long_cached_input_nusd", "long_cache_write_nusd"))
    if len(limits) > 1:
        notes.append(f"prices step up at {', '.join(f'{limit:,}' for limit in sorted(limits))} tokens: the dearest holds from the first step on")
    return {
        "long_after_tokens": min(limits),
        "long_input_nusd": max(steps.get("input_cost_per_token", 0), terms["input_nusd"] or 0),
        "long_output_nusd": max(steps.get("output_cost_per_token", 0), terms["output_nusd"] or 0),
        "long_cached_input_nusd": (terms["cached_input_nusd"] and steps.get("cache_read_input_token_cost")) or None,
        "long_cache_write_nusd": (terms["cache_write_nusd"] and steps.get("cache_creation_input_token_cost")) or None,
    }


def _remarks(entry: Mapping[str, Any], *, today: str) -> Iterator[str]:
    """Yield what the terms do not say and whoever relies on them should know."""
    retired_on = entry.get("deprecation_date")
    if isinstance(retired_on, str):
        yield f"retire{'d' if retired_on <= today else 's'} on {retired_on[:10]}"
    if entry.get("cache_creation_input_token_cost_above_1hr"):
        yield "cache writes that live for an hour cost more than this"
    if (entry.get("input_cost_per_audio_token") or 0) > (entry.get("input_cost_per_token") or 0):
        yield "audio costs more than this"
    if "off_peak_pricing" in entry:
        yield "discounts by the hour are not applied"
    if "provider_specific_entry" in entry or any(key.startswith("regional_processing_uplift") for key in entry):
        yield "endpoints that are bound to a region, and faster modes, cost more than this"
