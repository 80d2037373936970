"""A tenant whose own service is asked about each call, and one that a file has made."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from cascade.hook_changes import create_hook
from cascade.models import EnforcementHook
from tenants.models import Tenant
from tenants.scoping import tenant_scope
from tests.cascade.provisioned import MINIMAL, run
from tests.stage import Stage
from tests.webhooks import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def hooked(live_cast: Stage, receiver: Receiver) -> Stage:
    add_hook(live_cast, receiver.url, timeout_ms=500)
    return live_cast


def add_hook(stage: Stage, url: str, **values: Any) -> tuple[EnforcementHook, str]:
    with tenant_scope(stage.cast.acme.id):
        return create_hook(values={"name": "policy", "url": url, **values})


@pytest.fixture
def initech(db: None) -> Iterator[Tenant]:
    run(MINIMAL)
    tenant = Tenant.objects.none()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
        tenant = Tenant.objects.get(slug="initech")
    with tenant_scope(tenant.id):
        yield tenant
