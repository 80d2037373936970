"""POST /v1/chat/completions."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from cascade.gateway.chat_reply import BUFFERED, LIVE, UNDECIDED, ChunkWriter, completion_of, headers_of, plan_headers
from cascade.gateway.chat_request import ChatCall
from cascade.gateway.errors import HttpError
from cascade.gateway.http import Exchange
from cascade.outcomes import RunOutcome
from cascade.runtime import Runtime
from cascade.services import Admission, run_cascade
from tenants.authentication import Caller

PATIENCE_S = 5.0
"""How long a stream waits for its first words before its headers leave; until then a failure has its proper status."""
KEEP_ALIVE_S = 10.0
KEEP_ALIVE = b": the answer is being judged\n\n"
MOST_UNREAD = 256
"""Chunks that wait for a slow reader. Then the provider waits too, until the reader's patience is over."""


async def answer_chat(exchange: Exchange, *, runtime: Runtime, caller: Caller, call: ChatCall, now: datetime) -> None:
    """Answer one call, whole or as a stream. Raises CascadeError; a stream may have begun by then."""
    if call.stream:
        await _Stream(exchange, runtime=runtime, caller=caller, call=call, now=now).run()
        return
    try:
        outcome = await runtime.see_through(run_cascade(runtime=runtime, caller=caller, request=call.run, now=now))
    except asyncio.CancelledError as ending:  # the server ends and waits no longer; the run goes on and is booked
        message = "The service is being restarted and could not wait for this answer. The call is booked; send it again if you still need one."
        raise HttpError(503, message, code="shutting_down", headers={"retry-after": "1"}) from ending
    await exchange.json(200, completion_of(outcome, created=int(now.timestamp())), headers_of(outcome))


class _Stream:
    """One streamed reply. The run goes on to its end, and is booked, also when the reader goes away or stops reading."""

    def __init__(self, exchange: Exchange, *, runtime: Runtime, caller: Caller, call: ChatCall, now: datetime) -> None:
        self._exchange, self._call, self._now = exchange, call, now
        self._queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(MOST_UNREAD)
        self._is_read = True
        self._admission: Admission | None = None
        self._writer: ChunkWriter | None = None
        self._run = runtime.start(
            run_cascade(runtime=runtime, caller=caller, request=call.run, now=now, sink=self._take, on_admitted=self._admit)
        )

    async def run(self) -> None:
        try:
            await self._pass_on_live()
            await self._finish(await self._run)
        finally:
            self._is_read = False
            while not self._queue.empty():  # lets the run go on that waits for room
                self._queue.get_nowait()

    async def _take(self, chunk: Mapping[str, Any]) -> None:
        if self._is_read:
            await self._queue.put(chunk)

    async def _write(self, data: bytes, *, more: bool) -> None:
        """Raises ConnectionResetError for a reader who reads nothing for too long: what waits for them must not pile up."""
        try:
            async with asyncio.timeout(settings.READER_PATIENCE_SECONDS):
                await self._exchange.write(data, more=more)
        except TimeoutError as stalled:
            raise ConnectionResetError("the reader stopped reading") from stalled

    async def _admit(self, admission: Admission) -> None:
        self._admission = admission
        self._writer = ChunkWriter(
            run_id=str(admission.run_id), created=int(self._now.timestamp()), include_usage=self._call.include_usage
        )

    async def _pass_on_live(self) -> None:
        """Pass on what comes live until the run is over, with comments that keep the connection alive while nothing does."""
        patience = PATIENCE_S
        while not (self._run.done() and self._queue.empty()):
            getter = asyncio.ensure_future(self._queue.get())
            done, _ = await asyncio.wait({getter, self._run}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if getter in done:
                await self._write_live(getter.result())
            else:
                getter.cancel()
                if not done and self._admission is not None:
                    await self._start(UNDECIDED)
                    await self._write(KEEP_ALIVE, more=True)
            patience = KEEP_ALIVE_S

    async def _write_live(self, chunk: Mapping[str, Any]) -> None:
        assert self._writer is not None
        data = self._writer.live(chunk)
        if data is not None:
            await self._start(LIVE)
            await self._write(data, more=True)

    async def _start(self, how: str) -> None:
        if self._exchange.started:
            return
        assert self._admission is not None
        await self._exchange.start(
            200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no",
                  "x-cascadeflow-streamed": how,
                  **plan_headers(str(self._admission.run_id), self._admission.plan, limits=self._admission.hold.rates)},
        )  # fmt: skip

    async def _finish(self, outcome: RunOutcome) -> None:
        assert self._writer is not None
        await self._start(LIVE if outcome.result.streamed_live else BUFFERED)
        parts = [] if outcome.result.streamed_live else list(self._writer.whole(outcome.completion, model=outcome.model_used))
        parts += self._writer.end(outcome)
        await self._write(b"".join(parts), more=False)
