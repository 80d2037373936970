"""From a tenant's rows to what the engine needs to answer its calls."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import get_args
from uuid import UUID

from django.conf import settings
from msgspec import Struct

from billing.engine.pricing import Price
from billing.models import QuarantinedModel
from billing.pricebook import read_book
from cascade.engine.domains import BUILT_IN_RULES, DomainDetector, KeywordRule
from cascade.engine.presets import BUILT_IN_PRESETS, AgentConfig, CascadePreset, preset_from_definition
from cascade.engine.providers.aliases import aliases_among
from cascade.engine.providers.registry import SIMULATED, provider_spec
from cascade.engine.rollout import Rollout
from cascade.engine.tiers import TierAwareRouter, TierModelPolicy
from cascade.engine.values import Capability, ModelConfig
from cascade.models import CatalogModel, DomainRule, EnforcementHook, PresetRollout, PresetVersion, ProviderConnection, TierPolicy
from cascade.retirements import Catalog, next_days
from tenants.encryption import Secret
from tenants.models import Tenant, Tier
from tenants.scoping import tenant_scope
from tenants.signing import SigningSecrets

CAPABILITIES: tuple[Capability, ...] = get_args(Capability)
BUILT_IN_DETECTOR = DomainDetector()


class ConnectionConfig(Struct, frozen=True, kw_only=True):
    """What is needed to talk to one provider."""

    name: str
    provider: str
    base_url: str | None
    credential: Secret


class HookConfig(Struct, frozen=True, kw_only=True):
    """What is needed to ask one address of the tenant about a call."""

    name: str
    url: str
    signing: SigningSecrets
    timeout_s: float
    tiers: frozenset[str]


class TenantConfig(Struct, frozen=True, kw_only=True):
    """One version of a tenant's configuration, whole."""

    version: int
    slug: str
    """The tenant's."""
    agent: AgentConfig
    connections: tuple[ConnectionConfig, ...]
    hooks: tuple[HookConfig, ...] = ()
    tiers: frozenset[str]
    tier_rates: Mapping[str, tuple[int | None, int | None]] = {}
    """Requests and tokens a minute, for each end user of the tiers that have such limits."""
    changes_at: datetime | None
    """When the next price begins or ends, or a model's retirement nears; the configuration must be read again then."""


def load(*, tenant_id: UUID, now: datetime) -> TenantConfig:
    """Read a tenant's configuration as it stands at `now`. One transaction, a handful of queries."""
    with tenant_scope(tenant_id):
        version, slug = Tenant.objects.values_list("config_version", "slug").get(id=tenant_id)
        connections = {row.id: row for row in ProviderConnection.objects.filter(is_active=True) if _may_answer(row)}
        catalog = [row for row in CatalogModel.objects.select_related("connection") if row.connection_id in connections]
        agent, changes = _agent(catalog, connections, detector=detector_of(DomainRule.objects.all()), now=now)
        hooks = tuple(hook_config(row) for row in EnforcementHook.objects.filter(is_active=True))
        tiers = {row.name: (row.requests_per_minute, row.tokens_per_minute) for row in Tier.objects.all()}
    return TenantConfig(
        version=version, slug=slug, agent=agent, hooks=hooks, tiers=frozenset(tiers), changes_at=min(changes, default=None),
        tier_rates={name: rates for name, rates in tiers.items() if rates != (None, None)},
        connections=tuple(
            ConnectionConfig(name=row.name, provider=row.provider, base_url=row.base_url or None, credential=row.credential)
            for row in connections.values()
        ),
    )


def load_agent(*, now: datetime) -> AgentConfig:
    """Read what plans a call whose domain is said, of the scope's tenant: as `load` does, without rules, hooks and credentials to hand out."""
    found = CatalogModel.objects.select_related("connection")
    catalog = [row for row in found if row.connection.is_active and _may_answer(row.connection)]
    return _agent(catalog, {row.connection_id: row.connection for row in catalog}, detector=BUILT_IN_DETECTOR, now=now)[0]


def _agent(
    catalog: Sequence[CatalogModel], connections: Mapping[UUID, ProviderConnection], *, detector: DomainDetector, now: datetime
) -> tuple[AgentConfig, list[datetime]]:
    """Return the agent's configuration, and when prices or retirements will change it."""
    book = read_book((row.place for row in catalog), since=now)
    quarantined = set(QuarantinedModel.objects.filter(cleared_at=None).values_list("provider", "model"))
    aliases = aliases_among((row.name, row.place[1]) for row in catalog)
    retiring = Catalog(catalog, now.date())
    agent = AgentConfig(
        models={
            row.name: _model(
                row, connections[row.connection_id], book.at(now, model=row.name, place=row.place),
                list_price=book.listed_at(now, model=row.name, place=row.place),
                is_quarantined=(connections[row.connection_id].name, row.name) in quarantined, notice=retiring.notice_of(row),
            )
            for row in catalog
        },
        parts={row.part: row.name for row in catalog if row.part}, aliases=aliases,
        presets={**BUILT_IN_PRESETS, **_presets()}, rollouts=_rollouts(),
        detector=detector,
        router=TierAwareRouter(policies={row.tier.name: _policy(row, aliases) for row in TierPolicy.objects.select_related("tier")}),
        today=now.date().isoformat(),
    )
    return agent, [*book.changes_after(now), *next_days(catalog, now=now)]


def hook_config(row: EnforcementHook) -> HookConfig:
    return HookConfig(
        name=row.name, url=row.url, signing=row.signing, timeout_s=row.timeout_ms / 1000, tiers=frozenset(row.tiers),
    )


def _may_answer(connection: ProviderConnection) -> bool:
    return connection.provider != SIMULATED.slug or settings.SIMULATED_PROVIDER


def _model(
    row: CatalogModel, connection: ProviderConnection, price: Price | None, *, list_price: Price | None, is_quarantined: bool, notice: str
) -> ModelConfig:  # fmt: skip
    return ModelConfig(
        name=row.name, provider=connection.name, upstream_name=row.upstream_name or row.name, price=price, list_price=list_price,
        context_tokens=row.context_tokens, max_output_tokens=row.max_output_tokens,
        cap_parameter=row.cap_parameter or provider_spec(connection.provider).cap_parameter,
        capabilities=frozenset(capability for capability in CAPABILITIES if capability in row.capabilities),
        retired_on=row.retired_on.isoformat() if row.retired_on else None, retirement_notice=notice, is_quarantined=is_quarantined,
    )


def _presets() -> dict[str, CascadePreset]:
    newest = PresetVersion.objects.select_related("preset").order_by("preset_id", "-number").distinct("preset_id")
    return {row.preset.name: preset_from_definition(row.definition, name=row.preset.name, version=str(row.number)) for row in newest}


def _rollouts() -> dict[str, Rollout]:
    """Only those presets that do not serve everybody: for all others a call asks nothing."""
    rows = PresetRollout.objects.filter(share__lt=100)
    return {row.preset: Rollout(share=row.share, shadow=row.shadow) for row in rows}


def detector_of(rows: Iterable[DomainRule]) -> DomainDetector:
    """Return the detector of a tenant with these rules beside the built-in ones."""
    own = {(row.domain, row.phrase.lower()): row for row in rows}
    if not own:
        return BUILT_IN_DETECTOR
    rules = {(rule.domain, rule.phrase.lower()): rule for rule in BUILT_IN_RULES}
    for key, row in own.items():
        rules[key] = KeywordRule(domain=row.domain, phrase=row.phrase, weight=row.weight, enabled=row.is_enabled, id=str(row.pk))
    return DomainDetector(rules=tuple(rules.values()))


def _policy(row: TierPolicy, aliases: Mapping[str, str]) -> TierModelPolicy:
    """What is allowed or denied under an old name binds the model that answers to it."""
    return TierModelPolicy(
        tier=row.tier.name, allowed_models=frozenset(aliases.get(name, name) for name in row.allowed_models),
        denied_models=frozenset(aliases.get(name, name) for name in row.denied_models), preset=row.preset or None, fallback=row.fallback or None,
        max_cost_nusd=row.max_cost_nusd, max_steps=row.max_steps, max_tokens=row.max_tokens, min_quality=row.min_quality,
    )
