"""A tenant with a little of everything that the console shows, beside another whose things nobody else may see."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import URLPattern, get_resolver

from billing.models import Anomaly, Budget
from cascade.models import CascadeRun
from tenants.models import Membership, Role, User
from tenants.scoping import tenant_scope
from tests.cast import Cast, hashed_password
from tests.stage import Stage

CANARY = "canary-of-globex"


def logged_in(person: object) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]
    return client


def person_of(cast: Cast, role: str) -> User:
    """Somebody with the role in acme."""
    person, _ = User.objects.get_or_create(email=f"{role}@example.com", defaults={"password": hashed_password(), "name": role.title()})
    with tenant_scope(cast.acme.id):
        Membership.objects.get_or_create(user=person, defaults={"role": role})
    return person


def everybody(cast: Cast) -> dict[str, Client]:
    return {role: logged_in(person_of(cast, role)) for role in Role.values}


def add_run(cast: Cast, *, at: datetime | None = None, **fields: Any) -> CascadeRun:
    facts: dict[str, Any] = {
        "id": uuid.uuid4(), "status": "served", "end_user_id": cast.ann.id, "tier": "free", "preset": "production_ready",
        "policy_version": "production_ready@1", "domain": "code", "domain_confidence": 0.9, "complexity": "simple", "model_used": "mini",
        "draft_accepted": True, "cost_nusd": 4_000_000, "baseline_nusd": 10_000_000, "latency_ms": 800, "started_at": at or datetime.now(UTC),
        "steps": [{"name": "draft", "kind": "answer", "model": "mini", "provider": "up", "status": "accepted", "cost": "0.004", "latency_ms": 800,
                   "attempts": 1, "input_tokens": 10, "output_tokens": 20, "score": 0.9, "threshold": 0.7, "reason": None, "tries": []}],
    }  # fmt: skip
    return CascadeRun.objects.create(**{**facts, **fields})


def console_patterns() -> Iterator[URLPattern]:
    """Every route of the site that is about one tenant's console, from the URL conf itself. Members have pages of their own app, which are
    tried with their forms in tests/tenants/accounts/."""
    waiting: list[Any] = list(get_resolver().url_patterns)
    while waiting:
        pattern = waiting.pop()
        waiting += getattr(pattern, "url_patterns", [])
        if isinstance(pattern, URLPattern) and "tenant_slug" in pattern.pattern.converters and not _is_of_members(pattern):
            yield pattern


def _is_of_members(pattern: URLPattern) -> bool:
    return pattern.callback.__module__.startswith("tenants.accounts.")


def budget_of(cast: Cast, **fields: Any) -> Budget:
    with tenant_scope(cast.acme.id):
        return Budget.objects.create(**{"scope": "tenant", "period": "monthly", "limit_nusd": 10**10, **fields})


def budgets(cast: Cast) -> list[Budget]:
    with tenant_scope(cast.acme.id):
        return list(Budget.objects.order_by("created_at", "id"))


def fresh(cast: Cast, budget: Budget) -> Budget:
    with tenant_scope(cast.acme.id):
        return Budget.objects.get(pk=budget.pk)


def anomaly_of(cast: Cast, *, tenant: Any = None, **fields: Any) -> Anomaly:
    """An open one of the whole organisation, an hour ago: 96 USD were expected and 220 spent."""
    started_at = fields.pop("started_at", datetime.now(UTC) - timedelta(hours=1))
    facts: dict[str, Any] = {
        "lane": "fast", "kind": "spike", "dimension": "all", "severity": "critical", "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=15), "found_at": started_at + timedelta(minutes=12), "expected_nusd": 96 * 10**9,
        "low_nusd": 71 * 10**9, "high_nusd": 121 * 10**9, "actual_nusd": 220 * 10**9, "excess_nusd": 124 * 10**9, "score": 2.0, "facts": {},
        "told_at": started_at + timedelta(minutes=12),
    }  # fmt: skip
    with tenant_scope((tenant or cast.acme).id):
        return Anomaly.objects.create(**{**facts, **fields})


def session_of(stage: Stage, role: str) -> str:
    """The session of somebody who has just logged in."""
    person, _ = User.objects.get_or_create(email=f"{role}-{stage.suffix}@example.com", defaults={"name": role.title()})
    with tenant_scope(stage.cast.acme.id):
        Membership.objects.get_or_create(user=person, defaults={"role": role})
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(person.pk), person.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    return str(session.session_key)
