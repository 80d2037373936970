"""The least that a gateway can do: read the body, POST it to the upstream over one shared session, answer its bytes.

    UPSTREAM=http://127.0.0.1:9100 python -m uvicorn bench.relay:application --port 9200

What ours costs beyond this, it spends on judging and on money.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aiohttp import ClientSession, TCPConnector

Event = MutableMapping[str, Any]
Receive, Send = Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]
UPSTREAM = os.environ.get("UPSTREAM", "http://127.0.0.1:9100")
session: ClientSession | None = None


async def application(scope: Event, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/healthz":
        await answer(send, 200, b"ok")
    else:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        assert session is not None
        async with session.post(UPSTREAM + scope["path"], data=body, headers={"content-type": "application/json"}) as reply:
            await answer(send, reply.status, await reply.read())


async def lifespan(receive: Receive, send: Send) -> None:
    global session
    await receive()
    session = ClientSession(connector=TCPConnector(limit=0))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await session.close()
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
