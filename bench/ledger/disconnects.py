"""Clients go away in the middle of a stream: what the upstream billed is booked, or marked where it is not known."""

import asyncio
import json

import aiohttp

from bench.ledger.lines import Line, Say, zero
from bench.ledger.scene import METERED, Scene, clients, scene
from billing.invariants import INVARIANTS

STREAMS, AT_ONCE = 200, 20


def run(*, quick: bool, say: Say) -> list[Line]:
    streams = 40 if quick else STREAMS
    with scene(budgets=[{"scope": "tenant", "period": "monthly", "limit": "100", "action": "block"}], delay_ms=20) as given:
        left = asyncio.run(_leave(given, streams=streams))
        given.wait_closed(seconds=60)
        sums = list(given.billed().values())
        (exact,) = given.rows(
            "SELECT coalesce(sum(input_tokens + output_tokens), 0)::bigint AS tokens, count(*) FROM billing_costentry WHERE kind = 'settled'"
        )
        marked = given.one("SELECT count(*) FROM billing_costentry WHERE kind IN ('estimated', 'assumed')")
        holds = given.one("SELECT count(*) FROM billing_reservation")
        broken = given.breaks()
    billed = sum(each["prompt_tokens"] + each["completion_tokens"] for each in sums)
    calls = sum(each["calls"] for each in sums)
    difference = billed - exact["tokens"]
    say(f"disconnects: {left} left, {holds} holds, {calls} billed")
    fine = difference == 0 or (marked > 0 and exact["count"] + marked >= calls)
    return [
        Line(
            "disconnects: upstream tokens billed versus booked",
            f"{billed:,} billed, {exact['tokens']:,} booked exactly, difference {difference:,}, {marked} entries marked; "
            f"{left} of {streams} left early",
            "difference 0, or marked", met=fine and left == streams,
        ),
        zero("disconnects: invariants broken afterwards", len(broken), of=len(INVARIANTS), what="invariants"),
    ]


async def _leave(given: Scene, *, streams: int) -> int:
    gate, left = asyncio.Semaphore(AT_ONCE), 0
    body = {"model": METERED, "messages": [{"role": "user", "content": "Tell me a story."}], "stream": True, "max_tokens": 300, "user": "ann"}
    async with clients(given, connections=AT_ONCE) as session:

        async def one() -> None:
            nonlocal left
            async with gate:
                reply = await session.post("/v1/chat/completions", data=json.dumps(body))
                try:
                    await reply.content.readline()
                except aiohttp.ClientError:
                    return
                reply.close()  # the connection is cut, not given back
                left += 1

        await asyncio.gather(*(one() for _ in range(streams)))
    return left
