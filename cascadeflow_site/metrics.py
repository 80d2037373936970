"""GET /metrics for Prometheus, with a bearer token of its own. Without one in the settings, there is nothing at this address."""

import asyncio
import hmac
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from cascade.gateway.errors import HttpError
from cascade.gateway.http import Exchange
from cascade.telemetry.families import Family
from cascade.telemetry.process import page
from cascadeflow_site.scrape_facts import FACTS, missing_facts, read_facts

FACTS_S = 8.0
"""A scrape is given up after ten seconds: better without the facts than none."""


async def metrics(exchange: Exchange) -> None:
    try:
        _admit(exchange)
    except HttpError as refused:
        await exchange.reply(refused.status, refused.body, refused.headers)
        return
    body, content_type = await sync_to_async(_page, thread_sensitive=False)(await _facts(), exchange.headers.get("accept", ""))
    await exchange.reply(200, b"" if exchange.method == "HEAD" else body, {"content-type": content_type, "cache-control": "no-store"})


def _admit(exchange: Exchange) -> None:
    """Raises HttpError 401 and 405."""
    scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode()):
        message = "This needs the token of METRICS_TOKEN. Send it as 'Authorization: Bearer ...'."
        raise HttpError(401, message, code="invalid_metrics_token", headers={"www-authenticate": "Bearer"})
    if exchange.method not in ("GET", "HEAD"):
        raise HttpError(405, "/metrics takes GET.", code="method_not_allowed", headers={"allow": "GET, HEAD"})


async def _facts() -> list[Family]:
    try:
        async with asyncio.timeout(FACTS_S):
            return await sync_to_async(_read_facts, thread_sensitive=False)()
    except TimeoutError:
        return [missing_facts(dict.fromkeys(FACTS, 1))]


def _read_facts() -> list[Family]:
    close_old_connections()
    try:
        return list(read_facts(now=datetime.now(UTC)))
    finally:
        close_old_connections()


def _page(families: list[Family], accept: str) -> tuple[bytes, str]:
    shown = page()
    assert shown is not None
    return shown.render(families, accept=accept)
