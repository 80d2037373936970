"""Makes the database say what the file says: all of it or nothing, in one transaction, and the same again changes nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from django.db import connection

from cascade.provisioning.answers import apply_hooks, apply_model, apply_preset, apply_providers, apply_rollout, apply_rule, apply_tier
from cascade.provisioning.changes import Change, Changes, plain
from cascade.provisioning.checks import check
from cascade.provisioning.document import WantedTenant
from cascade.provisioning.money import apply_budgets, apply_price
from cascade.provisioning.parse import InvalidFile, parse
from cascade.provisioning.people import apply_key, apply_operator
from tenants.actors import Actor, ActorKind, Door
from tenants.audit import acting
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope

LOCK = 7_236_581
"""Number of the advisory lock: two files at once would not see each other's rows."""


FILE = Actor(kind=ActorKind.IMPORT, door=Door.PROVISIONING, name="provisioning file", operation="provision")


class _RolledBack(Exception):
    """Ends the transaction of a dry run."""


def provision(*, text: str, environment: Mapping[str, str], now: datetime, dry_run: bool = False) -> list[Change]:
    """Return what the YAML `text` changed (or would change). Raises InvalidFile with every error, and then changed nothing.

    Secrets come from the variables of `environment` that the file names.
    """
    wanted, problems = parse(text)
    changes: list[Change] = []
    with _one_transaction(dry_run=dry_run):
        problems += check(wanted, environment=environment, now=now) if wanted.tenants or not problems else []
        if problems:
            raise InvalidFile(problems)
        for tenant in wanted.tenants:
            changes += _apply_tenant(tenant, environment=environment, now=now)
        connection.check_constraints()
    return changes


@contextmanager
def _one_transaction(*, dry_run: bool) -> Iterator[None]:
    try:
        with acting(FILE), platform_scope():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            yield
            if dry_run:
                raise _RolledBack
    except _RolledBack:
        pass


def _apply_tenant(wanted: WantedTenant, *, environment: Mapping[str, str], now: datetime) -> list[Change]:
    changes = Changes(tenant=wanted.slug)
    tenant = _tenant(wanted, changes=changes)
    with tenant_scope(tenant.id):
        for operator in wanted.operators:
            apply_operator(operator, environment=environment, changes=changes)
        apply_providers(wanted.providers, environment=environment, changes=changes)
        for model in wanted.models:
            apply_model(model, changes=changes)
            if model.price:
                apply_price(model.price, model=str(model.name), source=str(model.price_source), now=now, changes=changes)
        for tier in wanted.tiers:
            apply_tier(tier, changes=changes)
        for preset in wanted.presets:
            apply_preset(preset, changes=changes)
        for rollout in wanted.rollouts:
            apply_rollout(rollout, changes=changes)
        for rule in wanted.domain_rules:
            apply_rule(rule, changes=changes)
        apply_hooks(wanted.enforcement_hooks, environment=environment, changes=changes)
        for key in wanted.keys:
            apply_key(key, environment=environment, changes=changes)
        apply_budgets(wanted.budgets, changes=changes)
    return changes.made


def _tenant(wanted: WantedTenant, *, changes: Changes) -> Tenant:
    values = {
        "name": wanted.name, "time_zone": wanted.time_zone, "default_tier": wanted.default_tier,
        "new_end_users_per_hour": wanted.new_end_users_per_hour, "open_calls_per_end_user": wanted.open_calls_per_end_user,
    }  # fmt: skip
    given = {name: plain(value) for name, value in values.items() if value is not None}
    tenant = Tenant.objects.filter(slug=str(wanted.slug)).first()
    if tenant is None:
        changes.added(f"tenant {given.get('name', wanted.slug)}")
        return Tenant.objects.create(slug=str(wanted.slug), **{"name": str(wanted.slug), **given})
    changes.update(tenant, label="tenant", values=given)
    return tenant
