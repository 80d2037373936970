"""Old names of models lead to present ones, and never away from a tenant's own."""

import pytest

from cascade.engine.providers.aliases import OLD_NAMES, aliases_among
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS

PRESENT = {model.name for spec in SUPPORTED_PROVIDERS.values() for model in (spec.default_draft_model, spec.default_strong_model)}


@pytest.mark.parametrize("old", OLD_NAMES)
def test_every_old_name_leads_to_a_model_of_the_registry_and_is_none_itself(old: str) -> None:
    assert OLD_NAMES[old] in PRESENT
    assert old not in PRESENT


def test_the_tenants_own_name_for_the_present_model_is_what_answers() -> None:
    assert aliases_among([("fast", "gpt-5.6-luna")]) == {"gpt-3.5-turbo": "fast", "gpt-4o-mini": "fast", "gpt-4.1-mini": "fast"}
    assert aliases_among([("gpt-5.6-terra", "gpt-5.6-terra")])["gpt-4o"] == "gpt-5.6-terra"


def test_a_name_that_the_tenant_uses_is_no_alias() -> None:
    assert "gpt-4o" not in aliases_among([("gpt-4o", "gpt-4o-2024-08-06"), ("gpt-5.6-terra", "gpt-5.6-terra")])
    assert aliases_among([("steady", "steady")]) == {}
