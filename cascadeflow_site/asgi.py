"""Where requests enter: /v1/ to the gateway, /healthz and /metrics here, everything else to Django."""

import asyncio
import gc
import os
from collections.abc import MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

from cascadeflow_site.instrumentation import instrument_this_process

instrument_this_process()  # before Django reads its middleware
django_application = get_asgi_application()

from billing.housekeeping import keep_swept  # noqa: E402 - needs Django's apps
from cascade.gateway.app import gateway  # noqa: E402 - needs Django's apps
from cascade.gateway.http import Exchange, Receive, Send  # noqa: E402
from cascade.runtime import Runtime, borrowed  # noqa: E402
from cascade.telemetry.process import close as close_telemetry  # noqa: E402
from cascadeflow_site.metrics import metrics  # noqa: E402

Scope = MutableMapping[str, Any]
MOST_BODY_BYTES = 4 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
"""Above the limit of the views, which answer 413; beyond this the connection ends without an answer."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"].startswith("/v1/"):
        await gateway(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == "/healthz":
        await healthz(Exchange(scope, receive, send))
    elif scope["type"] == "http" and scope["path"] == "/metrics" and settings.METRICS_TOKEN:
        await metrics(Exchange(scope, receive, send))
    else:
        await django_application(dict(scope), bounded(receive), send)  # type: ignore[arg-type]


def bounded(receive: Receive) -> Receive:
    """Ends a body that is larger than anything Django's part takes: Django would write all of it to disk before any view looks at it."""
    seen = 0

    async def receive_bounded() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > MOST_BODY_BYTES else message

    return receive_bounded


async def healthz(exchange: Exchange) -> None:
    """200 while the database answers, 503 while it does not: for load balancers and for `make run`."""
    async with borrowed() as runtime:
        healthy = await runtime.is_healthy()
    await exchange.json(200 if healthy else 503, {"status": "ok" if healthy else "the database cannot be reached"})


def spare_the_collector() -> None:
    """What is loaded by now stays for ever: looking through it again and again for garbage cost a quarter of the time of a call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def lifespan(receive: Receive, send: Send) -> None:
    runtime: Runtime | None = None
    sweeper: asyncio.Task[None] | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                runtime = await Runtime.open()
            except Exception as failure:
                await send({"type": "lifespan.startup.failed", "message": f"{type(failure).__name__}: {failure}"})
                raise
            spare_the_collector()
            sweeper = asyncio.create_task(keep_swept(every_s=settings.SWEEP_SECONDS))
            await send({"type": "lifespan.startup.complete"})
        else:
            if sweeper is not None:
                sweeper.cancel()
            if runtime is not None:
                await runtime.close()
            await asyncio.to_thread(close_telemetry)
            await send({"type": "lifespan.shutdown.complete"})
            return
