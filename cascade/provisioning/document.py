"""The form of a provisioning file, as types. parse.py reads any of them; docs/guides/provisioning.md explains them.

A field that may be left out is None then, and what is in the database stays. `line` is where the value begins in the file.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Struct

from billing.engine.budgets import Action, BudgetScope, Period
from cascade.engine.strategies import DomainCascadeStrategy
from cascade.engine.values import Capability
from cascade.provisioning import scalars
from tenants.models import Role, Scope

Slug = Annotated[str, scalars.slug]
Words = Annotated[str, scalars.words(200)]
WordsOrNothing = Annotated[str, scalars.words_or_nothing(200)]
Variable = Annotated[str, scalars.variable]
Usd = Annotated[int, scalars.usd]
Count = Annotated[int, scalars.counting_number]
Limit = Annotated[int | scalars.Unlimited, scalars.limit]


class Wanted(Struct, frozen=True, kw_only=True):
    line: int = 0


class WantedOperator(Wanted, frozen=True, kw_only=True):
    email: Annotated[str, scalars.email]
    role: Role
    password_env: Variable | None = None
    """Holds the first password; one that exists is never changed."""


class WantedProvider(Wanted, frozen=True, kw_only=True):
    name: Slug
    provider: str
    base_url: Annotated[str, scalars.base_url] | None = None
    api_key_env: Variable | None = None


class WantedPrice(Wanted, frozen=True, kw_only=True):
    """USD per million tokens; `request` is USD per request, and `long_` prices hold for prompts of more than `long_after_tokens`."""

    input: Usd
    output: Usd
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    reasoning: Usd | None = None
    request: Usd = 0
    long_after_tokens: Count | None = None
    long_input: Usd | None = None
    long_output: Usd | None = None
    long_cached_input: Usd | None = None
    long_cache_write: Usd | None = None


class WantedModel(Wanted, frozen=True, kw_only=True):
    name: Words
    provider: Slug
    """Name of the connection."""
    upstream_name: WordsOrNothing | None = None
    part: Literal["draft", "strong", "checker", ""] | None = None
    price: WantedPrice | None = None
    price_source: Words = "provisioning file"
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    capabilities: list[Capability] | None = None
    cap_parameter: Annotated[str, scalars.words_or_nothing(32)] | None = None
    retired_on: Annotated[date, scalars.iso_date] | None = None


class WantedPolicy(Wanted, frozen=True, kw_only=True):
    """A whole value: what is left out is not limited."""

    allowed_models: list[str] = []
    denied_models: list[str] = []
    fallback: str = ""
    preset: str = ""
    max_cost: Usd | None = None
    max_steps: Count | None = None
    max_tokens: Count | None = None
    min_quality: Annotated[float, scalars.between(0, 1)] | None = None


class WantedTier(Wanted, frozen=True, kw_only=True):
    name: Slug
    title: WordsOrNothing | None = None
    policy: WantedPolicy | None = None
    requests_per_minute: Limit | None = None
    """For each end user of the tier."""
    tokens_per_minute: Limit | None = None


class WantedPreset(Wanted, frozen=True, kw_only=True):
    """A whole value, as the engine's CascadePreset: a changed one is published as the next version."""

    name: Slug
    title: WordsOrNothing = ""
    baseline: str = "@strong"
    strategies: list[DomainCascadeStrategy]


class WantedRollout(Wanted, frozen=True, kw_only=True):
    """How far a preset, built in or own, is rolled out. What is left out stays as it is."""

    preset: str
    share: Annotated[int, scalars.percent] | None = None
    shadow: bool | None = None


class WantedRule(Wanted, frozen=True, kw_only=True):
    domain: Slug
    phrase: Words
    weight: Annotated[float, scalars.between(-10, 10)] | None = None
    enabled: bool | None = None


class WantedHook(Wanted, frozen=True, kw_only=True):
    """An address that is asked about each call before money is held for it."""

    name: Slug
    url: Annotated[str, scalars.hook_url]
    secret_env: Variable
    """Holds the signing secret (whsec_…)."""
    timeout_ms: Annotated[int, scalars.timeout_ms] | None = None
    tiers: list[Slug] | None = None


class WantedBudget(Wanted, frozen=True, kw_only=True):
    scope: BudgetScope
    subject: Annotated[str, scalars.words_or_nothing(255)] = ""
    period: Period
    limit: Usd
    action: Action
    name: WordsOrNothing | None = None
    marks: list[Count] | None = None


class WantedKey(Wanted, frozen=True, kw_only=True):
    name: Words
    key_env: Variable
    scopes: list[Scope] | None = None
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None


class WantedTenant(Wanted, frozen=True, kw_only=True):
    slug: Slug
    name: Words | None = None
    time_zone: Annotated[str, scalars.time_zone] | None = None
    default_tier: Slug | None = None
    new_end_users_per_hour: Limit | None = None
    open_calls_per_end_user: Limit | None = None
    operators: list[WantedOperator] = []
    providers: list[WantedProvider] = []
    models: list[WantedModel] = []
    tiers: list[WantedTier] = []
    presets: list[WantedPreset] = []
    rollouts: list[WantedRollout] = []
    domain_rules: list[WantedRule] = []
    enforcement_hooks: list[WantedHook] = []
    budgets: list[WantedBudget] = []
    keys: list[WantedKey] = []


class WantedFile(Wanted, frozen=True, kw_only=True):
    tenants: list[WantedTenant] = []
