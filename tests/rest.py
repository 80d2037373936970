"""REST in tests: a client with a key, rows that only the ledger may write, and the operations that the router has."""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.urls import URLPattern
from rest_framework.test import APIClient

from cascadeflow_site.api import router
from tenants.models import Tenant

REQUEST_ID = "request-of-a-test"
"""Sent along, so that two answers that should be the same are the same to the byte."""


class Rest(APIClient):
    """Calls as an application with a key; paths are below /api/v1/."""

    def __init__(self, key: str | None = None) -> None:
        super().__init__(raise_request_exception=True)
        self.credentials(**({"HTTP_AUTHORIZATION": f"Bearer {key}"} if key else {}), HTTP_X_REQUEST_ID=REQUEST_ID)

    def generic(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        return super().generic(method, path if path.startswith(("/", "http")) else f"/api/v1/{path}", *args, **{**kwargs, "secure": True})

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return getattr(self, method)(path, body, format="json")

    def make(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.send("post", path, body)
        assert answer.status_code == 201, answer.content
        made: dict[str, Any] = answer.json()
        return made


class Operation(NamedTuple):
    method: str
    path: str
    basename: str
    view: type
    takes_id: bool

    def at(self, identity: str) -> str:
        return "/api/v1/" + self.path.replace("{id}", identity)


def operations() -> Iterator[Operation]:
    """Every operation of the REST API, from the router: a new route cannot be forgotten."""
    for pattern in router.urls:
        assert isinstance(pattern, URLPattern)
        callback: Any = pattern.callback
        path, ids = re.subn(r"\(\?P<\w+>[^)]*\)", "{id}", str(pattern.pattern).strip("^$").replace("/?", "/"))
        for method in callback.actions:
            if method in callback.cls.http_method_names:
                yield Operation(method, path, callback.initkwargs["basename"], callback.cls, ids > 0)


def book(
    tenant: Tenant, *, model: str = "gpt-mini", amount_nusd: int = 96_300, overrun_nusd: int = 0, end_user: uuid.UUID | None = None,
    api_key: uuid.UUID | None = None, price_version: str = "v1", **labels: Any,
) -> uuid.UUID:
    """Reserve and settle one call, as the ledger does; returns the id of hold and run. Call it in the tenant's scope."""
    hold, leg = str(uuid.uuid4()), {"step": "draft", "provider": "simulated", "model": model, "price_version": price_version, "amount": amount_nusd}
    asked = {
        "id": hold, "tenant": str(tenant.id), "zone": tenant.time_zone, "owner": "test", "ttl_s": 60, "end_user": str(end_user) if end_user else None,
        "end_user_name": None, "api_key": str(api_key) if api_key else None, "tier": None, "tags": [], "unpriced": False,
        "labels": {"tier": "free", "domain": "general", "preset": "production_ready@builtin-1", "tags": [], **labels},
        "rungs": [{"amount": amount_nusd, "legs": [leg]}],
    }
    entry = {**leg, "leg": 0, "attempt": 1, "kind": "settled", "outcome": "accepted", "input_tokens": 142, "output_tokens": 125}
    done: dict[str, Any] = {"id": hold, "tenant": str(tenant.id), "state": "settled", "entries": [entry]}
    if overrun_nusd:
        done["entries"].append({**entry, "kind": "overrun", "amount": overrun_nusd})
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM billing_reserve(%s)", [json.dumps([asked])])
        cursor.execute("SELECT status FROM billing_settle(%s)", [json.dumps([done])])
        assert cursor.fetchone() == ("closed",)
    return uuid.UUID(hold)


def hold_for(tenant: Tenant, *, legs: Sequence[tuple[str, str, int]]) -> uuid.UUID:
    """Reserve a path (step, model, bound), settle its first call alone; returns the id of hold and run. Call it in the tenant's scope."""
    hold = str(uuid.uuid4())
    planned = [{"step": step, "provider": "simulated", "model": model, "price_version": "v1", "amount": amount} for step, model, amount in legs]
    asked = {
        "id": hold, "tenant": str(tenant.id), "zone": tenant.time_zone, "owner": "test", "ttl_s": 60, "end_user": None,
        "end_user_name": None, "api_key": None, "tier": None, "tags": [], "unpriced": False, "labels": {"tags": []},
        "rungs": [{"amount": sum(leg["amount"] for leg in planned), "legs": planned}],
    }  # fmt: skip
    entry = {**planned[0], "leg": 0, "attempt": 1, "kind": "settled", "outcome": "accepted", "input_tokens": 1, "output_tokens": 1}
    done = {"id": hold, "tenant": str(tenant.id), "state": "settled", "entries": [entry]}
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM billing_reserve(%s)", [json.dumps([asked])])
        cursor.execute("SELECT status FROM billing_settle(%s)", [json.dumps([done])])
        assert cursor.fetchone() == ("closed",)
    return uuid.UUID(hold)


def book_run(tenant: Tenant, *, legs: Sequence[tuple[str, str, int, int]], end_user: uuid.UUID) -> uuid.UUID:
    """Book a run of several steps (step, model, amount, input tokens), all but the last rejected. Call it in the tenant's scope."""
    hold = str(uuid.uuid4())
    planned = [{"step": step, "provider": "simulated", "model": model, "price_version": "v1", "amount": amount} for step, model, amount, _ in legs]
    asked = {
        "id": hold, "tenant": str(tenant.id), "zone": tenant.time_zone, "owner": "test", "ttl_s": 60, "end_user": str(end_user),
        "end_user_name": None, "api_key": None, "tier": None, "tags": [], "unpriced": False, "labels": {"tags": []},
        "rungs": [{"amount": sum(leg["amount"] for leg in planned), "legs": planned}],
    }  # fmt: skip
    entries = [
        {**leg, "leg": number, "attempt": 1, "kind": "settled", "outcome": "accepted" if number == len(legs) - 1 else "rejected",
         "input_tokens": tokens, "output_tokens": 0}
        for number, (leg, (*_, tokens)) in enumerate(zip(planned, legs, strict=True))
    ]  # fmt: skip
    done = {"id": hold, "tenant": str(tenant.id), "state": "settled", "entries": entries}
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM billing_reserve(%s)", [json.dumps([asked])])
        cursor.execute("SELECT status FROM billing_settle(%s)", [json.dumps([done])])
        assert cursor.fetchone() == ("closed",)
    return uuid.UUID(hold)
