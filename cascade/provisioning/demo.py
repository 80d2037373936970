"""The tenant that `make run` shows: on the simulated provider, or on whatever providers the environment has keys for."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from cascade.engine.providers.registry import SIMULATED, SUPPORTED_PROVIDERS, ModelSpec, ProviderSpec
from cascade.provisioning.apply import provision
from cascade.provisioning.changes import Change
from tenants.keys import is_well_formed, new_key
from tenants.models import User

SLUG, EMAIL = "demo", "demo@example.com"
PASSWORD, KEY = "CASCADEFLOW_DEMO_PASSWORD", "CASCADEFLOW_DEMO_KEY"
ADDRESS_VARIABLES = {"ollama": "OLLAMA_BASE_URL", "vllm": "VLLM_BASE_URL"}
"""Providers that need no key are wanted where their address is said."""
SIMULATED_NAMES = {"draft": "demo-mini", "strong": "demo-large"}
POLICIES: Mapping[str, Any] = {
    "free": {"preset": "cost_optimized_saas", "max_tokens": 1024},
    "pro": {"max_tokens": 4096},
    "enterprise": {"preset": "enterprise_grade"},
}
BUDGETS: Sequence[Mapping[str, str]] = (
    {"scope": "tenant", "period": "daily", "limit": "5", "action": "block"},
    {"scope": "tenant", "period": "monthly", "limit": "50", "action": "warn"},
    {"scope": "end_user", "period": "daily", "limit": "0.25", "action": "degrade"},
)


class Demo(Struct, frozen=True, kw_only=True):
    """What var/demo.json tells: how to come in. Secrets are made once and kept there alone."""

    url: str
    console_url: str
    email: str
    password: str
    api_key: str
    provider: str
    simulated: bool


def set_up(
    *, known: Mapping[str, Any], url: str, environment: Mapping[str, str], passphrase: str, now: datetime
) -> tuple[Demo, list[Change]]:
    """Return the demo, made or brought up to date, and what changed.

    `known` is what the last call returned, as far as it is still there; `passphrase` is the password where none is known.
    """
    providers = wanted_providers(environment)
    key = known.get("api_key")
    demo = Demo(
        url=url, console_url=f"{url}/o/{SLUG}/", email=EMAIL, password=known.get("password") or passphrase,
        api_key=key if isinstance(key, str) and is_well_formed(key) else new_key(),
        provider=", ".join(spec.title for spec in providers), simulated=providers == [SIMULATED],
    )  # fmt: skip
    secrets = {PASSWORD: demo.password, KEY: demo.api_key}
    text = json.dumps({"tenants": [tenant_of(providers, environment)]})  # JSON is YAML
    changes = provision(text=text, environment={**environment, **secrets}, now=now)
    if not known.get("password"):
        _set_password(demo)
    return demo, changes


def wanted_providers(environment: Mapping[str, str]) -> list[ProviderSpec]:
    found = [spec for spec in SUPPORTED_PROVIDERS.values() if environment.get(spec.key_variable or ADDRESS_VARIABLES.get(spec.slug, ""))]
    return found or [SIMULATED]


def tenant_of(providers: Sequence[ProviderSpec], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the tenant as a provisioning file has it. The first provider's models play the parts."""
    models: list[dict[str, Any]] = []
    for spec in providers:
        for part, model in (("draft", spec.default_draft_model), ("strong", spec.default_strong_model)):
            taken = {row["name"] for row in models}
            models.append(_model(spec, model, part=part if spec is providers[0] else "", taken=taken))
    return {
        "slug": SLUG, "name": "Demo", "default_tier": "free",
        "operators": [{"email": EMAIL, "role": "owner", "password_env": PASSWORD}],
        "providers": [_connection(spec, environment) for spec in providers],
        "models": models,
        "tiers": [{"name": name, "title": name.title(), "policy": policy} for name, policy in POLICIES.items()],
        "budgets": list(BUDGETS),
        "keys": [{"name": "demo", "key_env": KEY, "scopes": ["invoke", "read", "admin"]}],
    }  # fmt: skip


def _connection(spec: ProviderSpec, environment: Mapping[str, str]) -> dict[str, Any]:
    address = environment.get(ADDRESS_VARIABLES.get(spec.slug, ""))
    given = {"api_key_env": spec.key_variable, "base_url": address}
    return {"name": spec.slug, "provider": spec.slug, **{name: value for name, value in given.items() if value}}


def _model(spec: ProviderSpec, model: ModelSpec, *, part: str, taken: set[str]) -> dict[str, Any]:
    """Two providers may serve one model: the second one's is called by its provider too."""
    name = SIMULATED_NAMES[part] if spec is SIMULATED else model.name
    price = {
        "input": model.input_usd, "output": model.output_usd, "cached_input": model.cached_input_usd, "cache_write": model.cache_write_usd,
    }  # fmt: skip
    return {
        "name": name if name not in taken else f"{spec.slug}/{name}", "provider": spec.slug, "upstream_name": model.name, "part": part,
        "price": {meter: amount for meter, amount in price.items() if amount is not None},
        "price_source": "made up, as the answers are" if spec is SIMULATED else f"built-in price list, checked {model.checked_on}",
        "context_tokens": model.context_tokens, "max_output_tokens": model.max_output_tokens, "retired_on": model.retired_on,
    }  # fmt: skip


def _set_password(demo: Demo) -> None:
    """The file with the password is gone but the person may be there: the new password must be theirs."""
    user = User.objects.get(email=demo.email)
    if not user.check_password(demo.password):
        user.set_password(demo.password)
        user.save(update_fields=["password"])
