"""Clients go away in the middle of a stream: what the upstream billed is booked, or marked where it is not known."""

import asyncio
import json

import aiohttp

from bench.ledger.lines import Line, Say, whole, zero
from bench.ledger.matching import match
from bench.ledger.scene import METERED, Scene, clients, scene
from billing.invariants import INVARIANTS

STREAMS, AT_ONCE = 200, 20


def run(*, quick: bool, say: Say) -> list[Line]:
    streams = 40 if quick else STREAMS
    with scene(budgets=[{"scope": "tenant", "period": "monthly", "limit": "100", "action": "block"}], delay_ms=20) as given:
        left = asyncio.run(_leave(given, streams=streams))
        given.wait_closed(seconds=60)
        still_open = given.one("SELECT count(*) FROM billing_reservation WHERE state = 'open'")
        broken = given.breaks()
        found = match(given)
    say(f"disconnects: {left} left, {found}")
    return [
        Line(
            "disconnects: upstream tokens billed versus booked",
            f"of {found.calls} calls {found.exact} booked exactly, {found.marked} marked as assumed or estimated, {found.wrong} otherwise, "
            f"{found.missing} missing; {left} of {streams} left early",
            "difference 0, or marked", met=found.exact + found.marked == found.calls >= streams == left,
        ),
        zero("disconnects: holds left open", still_open, of=found.calls, what="calls"),
        whole("disconnects: invariants broken afterwards", broken, rules=len(INVARIANTS), over=f"{found.calls} calls"),
    ]  # fmt: skip


async def _leave(given: Scene, *, streams: int) -> int:
    """Returns how many streams had begun to answer and were left."""
    gate, left = asyncio.Semaphore(AT_ONCE), 0
    body = {"model": METERED, "messages": [{"role": "user", "content": "Tell me a story."}], "stream": True, "max_tokens": 300, "user": "ann"}
    async with clients(given, connections=AT_ONCE) as session:

        async def one() -> None:
            nonlocal left
            async with gate:
                try:
                    reply = await session.post("/v1/chat/completions", data=json.dumps(body))
                    begun = reply.status == 200 and (await reply.content.readline()).startswith(b"data:")
                except aiohttp.ClientError:
                    return
                reply.close()  # the connection is cut, not given back
                left += begun

        await asyncio.gather(*(one() for _ in range(streams)))
    return left
