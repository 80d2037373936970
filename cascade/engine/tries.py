"""How a step gets its answer: candidates in turn, tries again after a pause, connections that fail left alone. Each try is told."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from time import perf_counter

import msgspec
from msgspec import Struct

from cascade.engine.breaker import ConnectionBreaker, Tickets
from cascade.engine.errors import (
    CascadeError,
    CircuitOpen,
    DeadlinePassed,
    NotSetUp,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from cascade.engine.plans import Attempt, PlannedStep
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.streaming import StreamAssembler
from cascade.engine.values import Completion, CompletionRequest, ModelConfig, Usage

log = logging.getLogger(__name__)
Sink = Callable[[Chunk], Awaitable[None]]
"""Takes the chunks of an answer that is streamed live, each with our name of the model that speaks."""
MOST_ROUNDS = 3
"""How often a candidate is asked at the most."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 4.0
LONGEST_RETRY_AFTER_S = 8.0
"""A provider that wants to be left alone for longer is not asked again in this run: the caller is told when instead."""

FAIR_TIME_S = 20.0
"""A provider that did not answer in less says nothing of itself: a step was in a hurry."""


class Asked(Struct, frozen=True, kw_only=True):
    """What came of asking for one step: each try, and the answer or the last error."""

    attempts: tuple[Attempt, ...]
    completion: Completion | None = None
    first_token_ms: float | None = None
    error: ProviderError | None = None


class Tries:
    """Asks providers for one run. `deadline` and `started` are times of time.perf_counter, the breakers' clock as well.

    Only what cannot have been billed is tried again: nothing was sent, or the provider said that it did no work. A candidate that fails
    so is followed by the next one at once. When all have failed, those that may recover are asked again after a pause: a random part of
    0.5 s, then of 1 s (full jitter), or what the provider's Retry-After says and a little more. No pause ends after the run's deadline
    or the step's own time.
    """

    def __init__(
        self, *, providers: Mapping[str, BaseProvider], breakers: Mapping[str, ConnectionBreaker], sink: Sink | None, started: float, deadline: float
    ) -> None:
        self._providers, self._breakers, self._sink = providers, breakers, sink
        self._started, self._deadline = started, deadline
        self.is_live = False
        """Has any of an answer been passed on? Then no other may follow it."""

    async def ask(self, step: PlannedStep, request: CompletionRequest, *, live: bool) -> Asked:
        asked, attempts, refusal = Asked(attempts=()), tuple[Attempt, ...](), None
        waiting, latest = [(0.0, model) for model in step.candidates], min(self._deadline, perf_counter() + step.timeout_s)
        for number in range(MOST_ROUNDS):
            now = perf_counter()
            ready, waiting = [model for at, model in waiting if at <= now], [(at, model) for at, model in waiting if at > now]
            for model in ready:
                asked = await self._try(step, request, model=model, live=live)
                attempts += asked.attempts
                if asked.error is None or attempts[-1].charge != "voided" or self.is_live:
                    return msgspec.structs.replace(asked, attempts=attempts)
                waiting += _again(model, asked.error)
                refusal = refusal or (asked.error if isinstance(asked.error, ProviderRefused) and asked.error.sent else None)
            if number + 1 == MOST_ROUNDS or not await _paused(waiting, number=number, latest=latest):
                break
        # A refusal says more than that another candidate was not even reached.
        error = refusal if refusal is not None and asked.error is not None and not asked.error.sent else asked.error
        return msgspec.structs.replace(asked, attempts=attempts, error=error)

    async def _try(self, step: PlannedStep, request: CompletionRequest, *, model: ModelConfig, live: bool) -> Asked:
        began = perf_counter()
        try:
            completion, first_token_ms = await self._call(request, model=model, live=live)
        except ProviderError as failure:
            return Asked(attempts=(_failed_attempt(model, failure, **self._times(began)),), error=failure)
        paid = _paid_attempt(model, completion, step, **self._times(began))
        return Asked(attempts=(paid,), completion=completion, first_token_ms=first_token_ms)

    def _times(self, began: float) -> dict[str, float]:
        return {"started_ms": (began - self._started) * 1000, "latency_ms": _ms_since(began)}

    async def _call(self, request: CompletionRequest, *, model: ModelConfig, live: bool) -> tuple[Completion, float | None]:
        left = self._deadline - perf_counter()
        if left <= 0:
            raise DeadlinePassed("the time for this run is over", provider=model.provider)
        if model is not request.model or left < request.timeout_s:
            request = msgspec.structs.replace(request, model=model, timeout_s=min(request.timeout_s, left))
        breaker = self._breakers.get(model.provider)
        try:
            return await (self._send(request, live=live) if breaker is None else self._guarded(breaker, request, live=live))
        except CascadeError:
            raise
        except Exception as unforeseen:  # what was sent must be booked, whatever a provider's answer does to our code
            name = self._providers[model.provider].name
            log.error("the answer of %s could not be handled: %s", name, type(unforeseen).__name__)  # its words may be the answer's
            raise ProviderBroken(f"{name} answered with something that cannot be handled", provider=name) from unforeseen

    async def _guarded(self, breaker: ConnectionBreaker, request: CompletionRequest, *, live: bool) -> tuple[Completion, float | None]:
        name = request.model.upstream_name
        tickets = breaker.admit(name, perf_counter())
        if tickets is None:
            raise _left_alone(request.model, wait_s=breaker.wait_s(name, perf_counter()))
        try:
            answer = await self._send(request, live=live)
        except BaseException as failure:
            _tell(breaker, tickets, failure, request=request)
            raise
        breaker.answered(name, tickets, perf_counter())
        return answer

    async def _send(self, request: CompletionRequest, *, live: bool) -> tuple[Completion, float | None]:
        provider = self._providers[request.model.provider]
        return await self._stream(provider, request) if live else (await provider.complete(request), None)

    async def _stream(self, provider: BaseProvider, request: CompletionRequest) -> tuple[Completion, float | None]:
        assert self._sink is not None
        assembler, first_token_ms = StreamAssembler(provider=provider.name), None
        async with aclosing(provider.stream(request)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                assembler.add(chunk)
                if first_token_ms is None and assembler.has_content:
                    first_token_ms = _ms_since(self._started)
                self.is_live = True
                await self._sink({**chunk, "model": request.model.name})
        if not assembler.has_content and not assembler.completion().finish_reason:
            raise ProviderBroken(f"{provider.name} streamed no answer", provider=provider.name)
        return assembler.completion(), first_token_ms


async def _paused(waiting: list[tuple[float, ModelConfig]], *, number: int, latest: float) -> bool:
    """Wait until one of those that wait may be asked again, and a random while more. False, at once, where that would be too late."""
    if not waiting:
        return False
    jitter = random.uniform(0, min(FIRST_PAUSE_S * 2**number, LONGEST_PAUSE_S))  # noqa: S311 - no secret
    soonest = min(at for at, _ in waiting) + jitter
    if soonest >= latest:
        return False
    await asyncio.sleep(max(0.0, soonest - perf_counter()))
    return True


def _again(model: ModelConfig, failure: ProviderError) -> list[tuple[float, ModelConfig]]:
    """Return from when on the model may be asked again, if it may at all."""
    wait_s = failure.retry_after_s or 0.0
    return [(perf_counter() + wait_s, model)] if failure.retryable and wait_s <= LONGEST_RETRY_AFTER_S else []


def _tell(breaker: ConnectionBreaker, tickets: Tickets, failure: BaseException, *, request: CompletionRequest) -> None:
    """Tell the breaker what a failure says of the provider. A refusal is an answer: whatever was wrong with the request, it works."""
    name, now = request.model.upstream_name, perf_counter()
    hasty = isinstance(failure, ProviderTimeout) and failure.upstream_status is None and request.timeout_s < FAIR_TIME_S
    ours = not isinstance(failure, ProviderError) or (isinstance(failure, ProviderRefused) and not failure.sent)
    said_nothing = isinstance(failure, ProviderBroken) and failure.upstream_status == 200  # as a caller who asks for one token may wish
    if hasty or ours or said_nothing or isinstance(failure, NotSetUp):
        breaker.learnt_nothing(name, tickets)
    elif isinstance(failure, ProviderUnreachable):
        breaker.not_reached(name, tickets, now)
    elif isinstance(failure, ProviderRefused):
        breaker.answered(name, tickets, now)
    else:
        breaker.failed(name, tickets, now)


def _left_alone(model: ModelConfig, *, wait_s: float) -> CircuitOpen:
    message = f"{model.provider} failed too often for {model.name!r} just now: it is left alone for {max(wait_s, 0.1):.1f} seconds; nothing was sent"
    return CircuitOpen(message, provider=model.provider, retry_after_s=wait_s)


def _ms_since(began: float) -> float:
    return (perf_counter() - began) * 1000


def _failed_attempt(model: ModelConfig, failure: ProviderError, *, started_ms: float, latency_ms: float) -> Attempt:
    refused = isinstance(failure, ProviderRefused | ProviderFailed)
    return Attempt(
        model=model, charge="voided" if refused or not failure.sent else "assumed", unverified=isinstance(failure, ProviderFailed),
        error=failure.message, error_code=failure.code, started_ms=started_ms, latency_ms=latency_ms,
    )


def _paid_attempt(model: ModelConfig, completion: Completion, step: PlannedStep, *, started_ms: float, latency_ms: float) -> Attempt:
    usage = completion.usage
    if usage is None:
        usage = Usage(input_tokens=step.input_bound_tokens, output_tokens=step.max_tokens)
    return Attempt(
        model=model, charge="settled" if completion.usage else "estimated", usage=usage, provider_request_id=completion.request_id,
        response_model=completion.model, started_ms=started_ms, latency_ms=latency_ms,
    )
