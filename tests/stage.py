"""The cast on a live site: acme with a simulated provider, one that bills and fails on demand, one that follows a script, and one
that is not there."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx
from django.test.utils import override_settings
from openai import APIStatusError, OpenAI

from billing import invariants
from billing.engine.money import to_nusd
from billing.models import Budget, BudgetWindow, CostEntry, ModelPrice, Reservation
from cascade.models import CascadeRun, CatalogModel, DomainRule, ProviderConnection, TierPolicy
from cascade.publishing import create_preset
from cascade.rollouts import set_rollout
from tenants.encryption import Secret
from tenants.models import ApiKey, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast, make_cast, retire
from tests.live import DONE, Script, ScriptedProvider, Server, answer, chunk, free_port, wait_until

FAULTS = ("429", "500", "503", "timeout", "reset", "garbage", "empty", "no-usage", "truncated-sse")
CHEAP, DEAR = ("0.15", "0.60"), ("2.50", "10")
SPOKEN = (chunk("", role="assistant"), chunk("Your order "), chunk("left."), chunk(finish_reason="stop"), chunk(usage=(11, 7)), DONE)
FAST_PASSWORDS = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}


@dataclass
class Stage:
    """Acme's view of the live site, and what the tests look up behind it. Models "steady", "slow" (answers after 1.5 s), "fault-*",
    "scripted", "scripted-strong" and "unplugged" are asked by name; "demo-mini" drafts and "demo-large" is strong."""

    cast: Cast
    site: Server
    upstream: Server
    scripted: ScriptedProvider
    suffix: str

    @cached_property
    def openai(self) -> OpenAI:
        return self.client()

    def client(self, key: str | None = None, **options: Any) -> OpenAI:
        return OpenAI(base_url=f"{self.site.url}/v1", api_key=key or self.cast.acme_key, max_retries=0, timeout=20, **options)

    def http(self, key: str | None = None, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.site.url, headers={"authorization": f"Bearer {key or self.cast.acme_key}", **headers}, timeout=20)

    def ask(self, model: str = "steady", content: Any = "Where is my order?", **fields: Any) -> Any:
        """One call with the official client."""
        return self.openai.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **fields)

    def refused(self, model: str = "steady", **fields: Any) -> APIStatusError:
        """The error of a call that must not be let through."""
        try:
            answer = self.ask(model, **fields)
        except APIStatusError as failure:
            return failure
        raise AssertionError(f"it was answered: {answer}")

    def post(self, body: Any = None, *, key: str | None = None, headers: Mapping[str, str] | None = None, **fields: Any) -> httpx.Response:
        """One call by hand, for what the official client would not send."""
        body = body if body is not None else {"model": "steady", "messages": [{"role": "user", "content": "Where is my order?"}], **fields}
        with self.http(key) as client:
            return client.post("/v1/chat/completions", **{"content" if isinstance(body, bytes) else "json": body}, headers=headers)

    def upstream_name(self, model: str) -> str:
        return f"{model}-{self.suffix}"

    def script(self, model: str = "scripted", *, body: Any = b"", **script: Any) -> None:
        """What "scripted" or "scripted-strong" answers from now on; see Script."""
        self.scripted.scripts[self.upstream_name(model)] = Script(body, **script)

    def asked(self, model: str = "scripted") -> list[dict[str, Any]]:
        """The bodies that the scripted provider got for the model."""
        return self.scripted.asked[self.upstream_name(model)]

    # ---- What acme has
    def add_models(self, connection: str, names: Mapping[str, str], *, price: tuple[str, str] | None = CHEAP, **fields: Any) -> None:
        """Models by name, with the provider's name for each."""
        with tenant_scope(self.cast.acme.id):
            row = ProviderConnection.objects.get(name=connection)
            CatalogModel.objects.bulk_create(
                CatalogModel(name=name, upstream_name=upstream_name, connection=row, **fields) for name, upstream_name in names.items()
            )
            if price:
                rates = {"input_nusd": to_nusd(price[0]), "output_nusd": to_nusd(price[1])}
                ModelPrice.objects.bulk_create(ModelPrice(model=name, source="test", **rates) for name in names)

    def add_connection(self, name: str, *, provider: str, base_url: str = "") -> None:
        with tenant_scope(self.cast.acme.id):
            ProviderConnection.objects.create(name=name, provider=provider, base_url=base_url)

    def add_budget(self, limit: str, *, scope: str = "tenant", period: str = "daily", action: str = "block", **fields: Any) -> Budget:
        with tenant_scope(self.cast.acme.id):
            return Budget.objects.create(scope=scope, period=period, action=action, limit_nusd=to_nusd(limit), **fields)

    def add_policy(self, tier: str, **fields: Any) -> None:
        with tenant_scope(self.cast.acme.id):
            TierPolicy.objects.create(tier=Tier.objects.get(name=tier), **fields)

    def change_policy(self, tier: str, **fields: Any) -> None:
        with tenant_scope(self.cast.acme.id):
            TierPolicy.objects.filter(tier__name=tier).update(**fields)

    def mark(self, **parts: str) -> None:
        """Give models their parts, `mark(draft="scripted")`: whoever had one loses it."""
        with tenant_scope(self.cast.acme.id):
            CatalogModel.objects.filter(part__in=parts).update(part="")
            for part, name in parts.items():
                CatalogModel.objects.filter(name=name).update(part=part)

    def add_rule(self, domain: str, phrase: str, **fields: Any) -> DomainRule:
        with tenant_scope(self.cast.acme.id):
            return DomainRule.objects.create(domain=domain, phrase=phrase, **fields)

    def roll_out(self, preset: str, *, share: int, shadow: bool = False) -> None:
        with tenant_scope(self.cast.acme.id):
            set_rollout(preset=preset, share=share, shadow=shadow, actor="a test")

    def add_preset(self, name: str, *steps: Mapping[str, Any], baseline: str = "demo-large") -> None:
        self.add_definition(name, {"baseline": baseline, "strategies": [{"domain": "general", "steps": list(steps)}]})

    def add_definition(self, name: str, definition: Mapping[str, Any]) -> None:
        with tenant_scope(self.cast.acme.id):
            create_preset(name=name, title="", definition=definition)

    def key_id(self) -> UUID:
        with tenant_scope(self.cast.acme.id):
            return ApiKey.objects.get(prefix=self.cast.acme_key[:17]).id

    # ---- What became of a call
    def hold(self, run_id: str | UUID) -> Reservation:
        with tenant_scope(self.cast.acme.id):
            return Reservation.objects.get(id=run_id)

    def holds(self, **filters: Any) -> list[Reservation]:
        with tenant_scope(self.cast.acme.id):
            return list(Reservation.objects.filter(**filters).order_by("created_at"))

    def entries(self, run_id: str | UUID | None = None) -> list[CostEntry]:
        with tenant_scope(self.cast.acme.id):
            rows = CostEntry.objects.filter(reservation_id=run_id) if run_id else CostEntry.objects.all()
            return list(rows.order_by("booked_at", "leg", "attempt"))

    def run(self, run_id: str | UUID) -> CascadeRun:
        """The run's trace. It is written after the money, and nobody waits for it, so it may be a moment behind the reply."""
        wait_until(lambda: self._trace(run_id) is not None, what=self.site.log)
        found = self._trace(run_id)
        assert found is not None
        return found

    def _trace(self, run_id: str | UUID) -> CascadeRun | None:
        with tenant_scope(self.cast.acme.id):
            return CascadeRun.objects.filter(id=run_id).first()

    def windows(self) -> list[BudgetWindow]:
        with tenant_scope(self.cast.acme.id):
            return list(BudgetWindow.objects.all())

    def wait_until_closed(self, *, holds: int = 1) -> None:
        """Until as many calls were let in, and all of them are booked."""
        wait_until(lambda: len(self.holds()) >= holds and not self.holds(state="open"), what=self.site.log)

    def wait_until_held(self, *, holds: int = 1) -> None:
        wait_until(lambda: len(self.holds(state="open")) >= holds, what=self.site.log)


def raise_stage(*, site: Server, upstream: Server, scripted: ScriptedProvider) -> Stage:
    suffix = os.urandom(4).hex()
    with override_settings(**FAST_PASSWORDS):
        stage = Stage(make_cast(suffix=suffix), site, upstream, scripted, suffix)
    addresses = {
        "simulated": ("simulated", ""), "up": ("openai", f"{upstream.url}/v1"), "script": ("openai", scripted.url),
        "nowhere": ("openai", f"http://127.0.0.1:{free_port()}/v1"),
    }  # fmt: skip
    with tenant_scope(stage.cast.acme.id):
        ProviderConnection.objects.bulk_create(
            ProviderConnection(name=name, provider=provider, base_url=url, credential=Secret("sk-of-acme"))
            for name, (provider, url) in addresses.items()
        )
    every = {"capabilities": ["tools", "json", "streaming", "vision"]}
    stage.add_models("simulated", {"demo-mini": "simulated-mini"}, part="draft")
    stage.add_models("simulated", {"demo-large": "simulated-large"}, price=DEAR, part="strong")
    steady = stage.upstream_name("steady")
    stage.add_models("up", {"steady": steady, "slow": f"{steady}@1500ms", **{f"fault-{fault}": f"fault-{fault}" for fault in FAULTS}})
    stage.add_models("script", {"scripted": stage.upstream_name("scripted")}, **every)
    stage.add_models("script", {"scripted-strong": stage.upstream_name("scripted-strong")}, price=DEAR, **every)
    stage.add_models("nowhere", {"unplugged": "unplugged"})
    stage.script(body=answer(), parts=SPOKEN)
    stage.script("scripted-strong", body=answer("Your order is in Berlin and arrives on Friday."), parts=SPOKEN)
    return stage


@contextlib.contextmanager
def staged(*, site: Server, upstream: Server, scripted: ScriptedProvider) -> Iterator[Stage]:
    """The cast in tenants of its own on a site. Whatever is done there: every hold is closed in the end, and the ledger is whole."""
    broken_before = breaks()
    stage = raise_stage(site=site, upstream=upstream, scripted=scripted)
    yield stage
    stage.wait_until_closed(holds=0)
    retire(stage.cast)
    assert breaks() - broken_before == set()


def breaks() -> set[tuple[Any, ...]]:
    return {(broken.invariant.name, *map(str, broken.row)) for broken in invariants.breaks()}


def step(name: str, *models: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "models": list(models), **fields}


REJECT: Mapping[str, Any] = {"validator": "balanced", "threshold": 1.0}
"""A draft step whose answer is never good enough."""
ACCEPT: Mapping[str, Any] = {"validator": "fast", "threshold": 0.0}


def text_of(parts: Sequence[Any]) -> str:
    return "".join(choice.delta.content or "" for part in parts for choice in part.choices)
