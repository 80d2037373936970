"""Without the database no call is let through: 503 with Retry-After, and nothing is sent to a provider."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
from django.db import connections

from billing.ledger import LedgerUnavailable
from cascade.runtime import Runtime
from tenants.keys import new_key
from tests import live
from tests.cast import Cast
from tests.live import Server

DEAD = dict.fromkeys(("DATABASE_URL", "DATABASE_OWNER_URL"), "postgres://nobody@//nowhere/at-all")


@pytest.fixture(scope="module")
def lost_site(django_db_setup: None) -> Iterator[Server]:
    with live.site(statuses=(503,), **DEAD) as server:
        yield server


def test_every_call_is_503_with_retry_after_while_the_database_is_away(lost_site: Server) -> None:
    headers = {"authorization": f"Bearer {new_key()}"}
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    calls = {
        "/v1/chat/completions": lambda path: httpx.post(lost_site.url + path, json=body, headers=headers, timeout=20),
        "/v1/models": lambda path: httpx.get(lost_site.url + path, headers=headers, timeout=20),
        "/api/v1/runs/": lambda path: httpx.post(lost_site.url + path, json={"query": "hi"}, headers=headers, timeout=20),
        "/api/v1/budgets/": lambda path: httpx.get(lost_site.url + path, headers=headers, timeout=20),
    }
    with ThreadPoolExecutor() as pool:
        replies = dict(zip(calls, pool.map(lambda path: calls[path](path), calls), strict=True))
    for path, reply in replies.items():
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2"), f"{path}: {reply.text}"
        assert reply.headers["x-request-id"]
    for path in ("/v1/chat/completions", "/v1/models"):
        error = replies[path].json()["error"]
        assert (error["code"], error["type"]) == ("ledger_unavailable", "api_error")
        assert "Try again in a few seconds" in error["message"]
    for path in ("/api/v1/runs/", "/api/v1/budgets/"):
        assert replies[path].headers["content-type"] == "application/problem+json"
        assert replies[path].json()["code"] == "database_unavailable"
    assert "Traceback" not in "".join(reply.text for reply in replies.values())


@pytest.mark.asyncio
async def test_a_configuration_that_cannot_be_read_is_the_databases_failure_and_the_next_call_reads_it_anew(
    committed_cast: Cast, monkeypatch: pytest.MonkeyPatch, django_db_blocker: pytest.FixtureRequest
) -> None:
    now = datetime.now(UTC)
    runtime = await Runtime.open()
    try:
        caller = await runtime.keys.identify(f"Bearer {committed_cast.acme_key}", now=now)
        with django_db_blocker.unblock():
            with monkeypatch.context() as away:
                away.setitem(connections["default"].settings_dict, "HOST", "/nowhere")
                with pytest.raises(LedgerUnavailable):
                    await runtime.tenant(caller, now=now)
            assert (await runtime.tenant(caller, now=now)).config.tiers == {"free", "pro", "enterprise"}
    finally:
        await runtime.close()
