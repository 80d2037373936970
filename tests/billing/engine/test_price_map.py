"""The rules for the gaps of LiteLLM's price map: nothing is priced too low without being told so."""

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.money import to_nusd
from billing.engine.price_map import SOURCES, Listed, NotAPrice, per_million, read_entry, read_map
from billing.models.prices import TERMS
from billing.price_import import read_bundled_map
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS

TODAY = "2026-11-25"
PLAIN = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}


def listed(provider: str = "openai", model: str = "gpt-mini", **fields: Any) -> Listed:
    entry = {**PLAIN, "cache_read_input_token_cost": 7.5e-08, **fields}
    return read_entry({name: value for name, value in entry.items() if value is not None}, provider=provider, model=model, today=TODAY)


def test_an_entry_is_read_in_nano_usd_per_million_tokens() -> None:
    found = listed(cache_creation_input_token_cost=1.875e-07, output_cost_per_reasoning_token=7e-07, input_cost_per_request=0.001)
    assert (found.objection, found.notes) == ("", ())
    assert {name: value for name, value in found.terms.items() if value} == {
        "input_nusd": 150_000_000, "output_nusd": 600_000_000, "cached_input_nusd": 75_000_000, "cache_write_nusd": 187_500_000,
        "reasoning_nusd": 700_000_000, "request_nusd": 1_000_000,
    }  # fmt: skip
    assert set(found.terms) == set(TERMS)


class TestGaps:
    def test_without_a_price_for_cached_input_it_costs_what_input_costs(self) -> None:
        for gap in (None, 0, 0.0):
            found = listed(cache_read_input_token_cost=gap)
            assert found.terms["cached_input_nusd"] is None
            assert found.notes == ("no price for cached input: it costs what input costs",)

    def test_without_a_price_for_reasoning_or_cache_writes_they_cost_what_their_whole_costs(self) -> None:
        found = listed(cache_creation_input_token_cost=0.0)
        assert (found.terms["reasoning_nusd"], found.terms["cache_write_nusd"]) == (None, None)

    def test_a_cache_write_cheaper_than_input_is_not_believed(self) -> None:
        found = listed(cache_creation_input_token_cost=1e-07)
        assert found.terms["cache_write_nusd"] is None
        assert "not believed" in found.notes[0]

    @pytest.mark.parametrize(
        ("gap", "words"),
        [
            ({"input_cost_per_token": None}, "no input price"), ({"output_cost_per_token": None}, "no output price"),
            ({"input_cost_per_token": None, "output_cost_per_token": None}, "no input and no output price"),
            ({"tiered_pricing": [{"range": [0, 1]}]}, "steps"),
        ],
    )  # fmt: skip
    def test_without_an_input_or_output_price_nothing_is_imported(self, gap: dict[str, Any], words: str) -> None:
        assert words in listed(**gap).objection

    @pytest.mark.parametrize("free", [{"input_cost_per_token": 0}, {"output_cost_per_token": 0.0}])
    def test_a_price_of_0_is_believed_of_ones_own_machines_alone(self, free: dict[str, Any]) -> None:
        assert "price is 0" in listed(**free).objection
        assert listed("ollama", **free).objection == ""
        assert "maker's machines" in listed("ollama", model="gpt-oss:120b-cloud", **free).objection

    @pytest.mark.parametrize("wrong", ["0.1", -1e-07, float("nan"), float("inf"), True, 1e9, [1]])
    def test_what_is_no_price_is_said_and_not_imported(self, wrong: Any) -> None:
        assert "input_cost_per_token" in listed(input_cost_per_token=wrong).objection

    def test_retired_models_keep_their_price_with_a_note(self) -> None:
        assert listed(deprecation_date="2026-11-25").notes == ("retired on 2026-11-25",)
        assert listed(deprecation_date="2026-11-26").notes == ("retires on 2026-11-26",)

    def test_what_the_terms_do_not_say_is_noted(self) -> None:
        odd = {"off_peak_pricing": {}, "provider_specific_entry": {"us": 1.1}}
        found = listed(cache_creation_input_token_cost_above_1hr=3e-07, input_cost_per_audio_token=1e-05, **odd)
        assert [note.split(" ")[0] for note in found.notes] == ["cache", "audio", "discounts", "endpoints"]


class TestLongPrompts:
    STEP = {
        "input_cost_per_token_above_200k_tokens": 3e-07, "output_cost_per_token_above_200k_tokens": 9e-07,
        "cache_read_input_token_cost_above_200k_tokens": 1.5e-07, "input_cost_per_token_above_200k_tokens_priority": 9.0,
    }  # fmt: skip

    def test_they_have_prices_of_their_own(self) -> None:
        terms = listed(**self.STEP).terms
        assert {name: value for name, value in terms.items() if name.startswith("long_")} == {
            "long_after_tokens": 200_000, "long_input_nusd": 300_000_000, "long_output_nusd": 900_000_000, "long_cached_input_nusd": 150_000_000,
            "long_cache_write_nusd": None,
        }  # fmt: skip

    def test_of_several_steps_the_dearest_holds_from_the_first_on(self) -> None:
        found = listed(input_cost_per_token_above_128k_tokens=2e-07, output_cost_per_token_above_128k_tokens=2e-06, **self.STEP)
        assert [found.terms[name] for name in ("long_after_tokens", "long_input_nusd", "long_output_nusd")] == [128_000, 300_000_000, 2_000_000_000]
        assert "128,000, 200,000" in found.notes[0]

    def test_they_never_cost_less_than_short_ones(self) -> None:
        terms = listed(input_cost_per_token_above_128k_tokens=1e-09).terms
        assert (terms["long_input_nusd"], terms["long_output_nusd"]) == (150_000_000, 600_000_000)


class TestExactness:
    def test_a_float_counts_as_what_it_prints_as(self) -> None:
        assert per_million(1.5e-07) == per_million(Decimal("0.00000015")) == 150_000_000
        assert per_million(0.1 + 0.2) == 300_000_000_000_001  # it prints as 0.30000000000000004

    @given(st.integers(0, 10**12))
    def test_what_a_person_writes_in_usd_per_million_comes_back_whole(self, nano: int) -> None:
        """The map's authors divide such a price by a million and write the float."""
        assert per_million(float(Decimal(nano) / 10**15)) == nano

    def test_less_than_a_nano_usd_is_rounded_up(self) -> None:
        assert per_million(Decimal("1E-16")) == 1
        assert per_million(0) == 0
        with pytest.raises(NotAPrice):
            per_million(None)


class TestTheWholeMap:
    def test_each_supported_provider_has_its_place(self) -> None:
        assert set(SOURCES) == set(SUPPORTED_PROVIDERS)

    def test_names_are_the_providers_own_and_other_modes_are_left_out(self) -> None:
        entries = {
            "gpt": PLAIN, "openai/gpt-2": PLAIN, "dall-e": {**PLAIN, "mode": "image_generation"}, "azure/gpt": {**PLAIN, "litellm_provider": "azure"},
            "groq/openai/gpt-oss": {**PLAIN, "litellm_provider": "groq"}, "together-ai-8b": {**PLAIN, "litellm_provider": "together_ai"},
            "sample_spec": {"mode": "chat"}, "odd": "text",
        }
        assert [(entry.provider, entry.model) for entry in read_map(entries, today=TODAY)] == [
            ("openai", "gpt"), ("openai", "gpt-2"), ("groq", "openai/gpt-oss"),
        ]  # fmt: skip

    def test_of_two_entries_for_one_name_the_dearer_counts_and_it_is_said(self) -> None:
        entries = {"gpt": PLAIN, "openai/gpt": {**PLAIN, "output_cost_per_token": 7e-07}}
        (found,) = read_map(entries, today=TODAY)
        assert found.terms["output_nusd"] == 700_000_000
        assert "twice" in found.notes[-1]
        (same,) = read_map({"gpt": PLAIN, "openai/gpt": PLAIN}, today=TODAY)
        assert "twice" not in "".join(same.notes)

    def test_the_bundled_map_gives_the_prices_of_our_own_list(self) -> None:
        found = {(entry.provider, entry.model): entry.terms for entry in read_map(read_bundled_map().entries, today=TODAY)}
        for slug, spec in SUPPORTED_PROVIDERS.items():
            for model in (spec.default_draft_model, spec.default_strong_model) if slug != "vllm" else ():
                terms = found[slug, model.name]
                assert (terms["input_nusd"], terms["output_nusd"]) == (to_nusd(model.input_usd), to_nusd(model.output_usd))
                assert terms["cached_input_nusd"] == (to_nusd(model.cached_input_usd) if model.cached_input_usd else None)

    def test_it_is_read_by_path_without_importing_litellm(self) -> None:
        code = (
            "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'cascadeflow_site.settings'; django.setup(); import sys;"
            "from billing.price_import import read_bundled_map; assert len(read_bundled_map().entries) > 1000; sys.exit('litellm' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
