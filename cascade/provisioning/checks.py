"""Is what the file says possible: within itself, with what the database has, and with the environment's secrets?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from msgspec import Struct

from billing.engine.budgets import BudgetScope
from billing.engine.pricing import long_price_problem
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.engine.providers.registry import SIMULATED, SUPPORTED_PROVIDERS
from cascade.engine.tiers import BUILT_IN_POLICIES
from cascade.models import CatalogModel, Preset, ProviderConnection
from cascade.provisioning.answers import definition_in
from cascade.provisioning.credentials import check_keys, check_operator, check_variable
from cascade.provisioning.document import WantedBudget, WantedFile, WantedPreset, WantedTenant, WantedTier
from cascade.provisioning.money import terms_of
from cascade.provisioning.parse import WRONG, Problem, did_you_mean
from tenants.models import ApiKey, Tenant, Tier
from tenants.scoping import tenant_scope

NOBODY = UUID(int=0)
PARTS = ("@draft", "@strong", "@checker")


class Known(Struct, frozen=True, kw_only=True):
    """The names that a tenant's values may refer to: the file's and the database's."""

    connections: frozenset[str]
    models: frozenset[str]
    presets: frozenset[str]
    tiers: frozenset[str]
    keys: frozenset[str]


def check(wanted: WantedFile, *, environment: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    """Yield every error that reading alone could not find. Needs a platform scope."""
    if not wanted.tenants:
        yield Problem(wanted.line or 1, "tenants: needs at least one tenant")
    yield from _twice(wanted.tenants, "slug", what="tenant")
    for tenant in wanted.tenants:
        known = known_names(tenant)
        yield from _check_names(tenant)
        yield from _check_providers(tenant, environment)
        yield from _check_models(tenant, known)
        yield from _check_tiers(tenant, known)
        for preset in tenant.presets:
            yield from _check_preset(preset, known)
        for hook in tenant.enforcement_hooks:
            if hook.secret_env:
                yield from check_variable("secret_env", hook.secret_env, hook.line, environment)
            for name in hook.tiers or ():
                if name not in known.tiers:
                    yield _unknown("tier", name, known.tiers)
        for rollout in tenant.rollouts:
            if rollout.preset is not WRONG and rollout.preset not in known.presets:
                yield _unknown("preset", rollout.preset, known.presets)
        for budget in tenant.budgets:
            yield from _check_budget(budget, known)
        for operator in tenant.operators:
            yield from check_operator(operator, environment)
        yield from check_keys(tenant, environment, now=now)


def known_names(wanted: WantedTenant) -> Known:
    tenant = Tenant.objects.filter(slug=str(wanted.slug)).first() if wanted.slug is not WRONG else None
    with tenant_scope(tenant.id if tenant else NOBODY):
        return Known(
            connections=_names(wanted.providers, ProviderConnection.objects.values_list("name", flat=True)),
            models=_names(wanted.models, CatalogModel.objects.values_list("name", flat=True)),
            presets=_names(wanted.presets, Preset.objects.values_list("name", flat=True)) | set(BUILT_IN_PRESETS),
            tiers=_names(wanted.tiers, Tier.objects.values_list("name", flat=True)) | set(BUILT_IN_POLICIES),
            keys=_names(wanted.keys, ApiKey.objects.filter(revoked_at=None).values_list("name", flat=True)),
        )


def _names(wanted: Iterable[Any], stored: Iterable[str]) -> frozenset[str]:
    return frozenset({row.name for row in wanted if row.name is not WRONG} | set(stored))


def _twice(rows: Sequence[Any], *fields: str, what: str) -> Iterator[Problem]:
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(getattr(row, field) for field in fields)
        if WRONG in key:
            continue
        if key in seen:
            yield Problem(row.line, f"{what} {' '.join(filter(None, map(str, key)))!r} stands here twice, first in line {seen[key]}")
        seen.setdefault(key, row.line)


def _check_names(tenant: WantedTenant) -> Iterator[Problem]:
    yield from _twice(tenant.operators, "email", what="operator")
    yield from _twice(tenant.providers, "name", what="provider")
    yield from _twice(tenant.models, "name", what="model")
    yield from _twice([model for model in tenant.models if model.part], "part", what="the part")
    yield from _twice(tenant.tiers, "name", what="tier")
    yield from _twice(tenant.presets, "name", what="preset")
    yield from _twice(tenant.rollouts, "preset", what="rollout")
    yield from _twice(tenant.domain_rules, "domain", "phrase", what="domain rule")
    yield from _twice(tenant.enforcement_hooks, "name", what="enforcement hook")
    yield from _twice(tenant.budgets, "scope", "subject", "period", "action", what="budget")
    yield from _twice(tenant.keys, "name", what="key")


def _check_providers(tenant: WantedTenant, environment: Mapping[str, str]) -> Iterator[Problem]:
    supported = [*SUPPORTED_PROVIDERS, SIMULATED.slug] if settings.SIMULATED_PROVIDER else [*SUPPORTED_PROVIDERS]
    for row in tenant.providers:
        if row.provider is not WRONG and row.provider not in supported:
            off = "; the simulated one is switched off here (SIMULATED_PROVIDER)" if row.provider == SIMULATED.slug else ""
            yield Problem(row.line, f"provider {str(row.provider)[:60]!r} is not supported{off}: {did_you_mean(row.provider, supported)}")
        if row.api_key_env:
            yield from check_variable("api_key_env", row.api_key_env, row.line, environment)


def _check_models(tenant: WantedTenant, known: Known) -> Iterator[Problem]:
    for row in tenant.models:
        if row.provider is not WRONG and row.provider not in known.connections:
            yield _unknown("provider", row.provider, known.connections)
        if row.name in known.presets or row.name == "auto" or str(row.name or "").startswith("@"):
            yield Problem(row.line, f"model {row.name!r}: a preset has this name, so callers could not tell them apart")
        terms = terms_of(row.price) if row.price else {}
        wrong = long_price_problem(terms) if terms and not any(value is WRONG for value in terms.values()) else None
        if row.price and wrong:
            yield Problem(row.price.line, f"price: {wrong}")


def _check_tiers(tenant: WantedTenant, known: Known) -> Iterator[Problem]:
    if tenant.default_tier and tenant.default_tier not in known.tiers:
        yield _unknown("default_tier", tenant.default_tier, known.tiers)
    for tier in tenant.tiers:
        yield from _check_policy(tier, known)


def _check_policy(tier: WantedTier, known: Known) -> Iterator[Problem]:
    if not tier.policy:
        return
    for name in [*(tier.policy.allowed_models or ()), *(tier.policy.denied_models or ()), *filter(None, [tier.policy.fallback])]:
        if name not in known.models:
            yield _unknown("model", name, known.models)
    if tier.policy.preset and tier.policy.preset not in known.presets | known.models:
        yield _unknown("preset", tier.policy.preset, known.presets)


def _check_preset(preset: WantedPreset, known: Known) -> Iterator[Problem]:
    if preset.name in BUILT_IN_PRESETS:
        yield Problem(preset.line, f"preset {preset.name!r} is built in and cannot be changed: give yours another name")
    used = [name for strategy in preset.strategies for step in strategy.steps or () for name in step.models or ()]
    for name in [*used, *filter(None, [preset.baseline])]:
        if name not in known.models and name not in PARTS:
            yield _unknown("model", name, known.models | set(PARTS), line=getattr(name, "line", preset.line))
    if not _is_read(preset):
        return
    try:
        definition_in(preset)
    except ValidationError as wrong:
        yield from (Problem(preset.line, message) for message in wrong.messages)


def _is_read(preset: WantedPreset) -> bool:
    steps = [step for strategy in preset.strategies for step in strategy.steps or ()]
    parts: list[Struct] = [preset, *preset.strategies, *steps]
    return not any(getattr(part, name) is WRONG for part in parts for name in part.__struct_fields__)


def _check_budget(budget: WantedBudget, known: Known) -> Iterator[Problem]:
    if budget.scope is WRONG or budget.subject is WRONG:
        return
    if budget.scope is BudgetScope.TENANT and budget.subject:
        yield Problem(budget.line, "a budget of the scope tenant has no subject: it limits the whole tenant")
    if budget.scope in (BudgetScope.TIER, BudgetScope.API_KEY, BudgetScope.TAG) and not budget.subject:
        yield Problem(budget.line, f"a budget of the scope {budget.scope} needs a subject: the {budget.scope.replace('_', ' ')}'s name")
        return
    names = {BudgetScope.TIER: known.tiers, BudgetScope.API_KEY: known.keys}.get(budget.scope)
    if names is not None and budget.subject not in names:
        yield _unknown(str(budget.scope), budget.subject, names)


def _unknown(what: str, name: str, known: Iterable[str], *, line: int = 1) -> Problem:
    found = did_you_mean(name, known)
    return Problem(getattr(name, "line", line), f"{what} {str(name)[:100]!r} is neither in this file nor in the database: {found}")
