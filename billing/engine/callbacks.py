"""Asks enforcement callbacks: all at once, none longer than it may, and whatever they do, nobody else suffers."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from billing.engine.enforcement import CallbackFailed, CallbackFailure, Enforcement, EnforcementAction, EnforcementContext, EnforcementDecision
from billing.engine.strangers import RaisedTheUnusual, Strangers

log = logging.getLogger(__name__)
MOST_AT_ONCE = 64
"""So many questions to one callback may be without an answer in a process, those that were given up on included; one more fails at once."""
LOG_PAUSE_S = 60.0
EnforcementAnswer = EnforcementAction | EnforcementDecision | str | None
EnforcementCallback = Callable[[EnforcementContext], EnforcementAnswer | Awaitable[EnforcementAnswer]]
"""A function or an async function. It answers an action, the name of one, a decision, or None for "allow"."""


class EnforcementCallbacks:
    """Callbacks, and the question to all of them."""

    def __init__(self, *, beside: "EnforcementCallbacks | None" = None) -> None:
        """`beside`: others that are asked too. They stay what they are, with their own count of what is unanswered."""
        self._registered: list[Registered] = [*beside._registered] if beside else []

    def register(self, callback: EnforcementCallback, *, name: str, timeout_s: float = 1.0, tiers: Collection[str] = ()) -> None:
        """Ask `callback` about each call, or about those of some tiers; after `timeout_s` seconds it counts as failed."""
        self._registered.append(Registered(callback, name=name, timeout_s=timeout_s, tiers=frozenset(tiers)))

    def concern(self, tier: str) -> bool:
        """Is any of them to be asked about calls of this tier?"""
        return any(entry.concerns(tier) for entry in self._registered)

    async def decide(self, context: EnforcementContext) -> Enforcement:
        """Ask all that are meant, at the same time, and return what they say. One that fails is named in `failures`; nothing is raised."""
        answers = await asyncio.gather(*(entry.ask(context) for entry in self._registered if entry.concerns(context.user_tier)))
        return Enforcement(
            decisions=[answer for answer in answers if isinstance(answer, EnforcementDecision)],
            failures=[answer for answer in answers if isinstance(answer, CallbackFailure)],
        )


class Registered:
    """One callback, and how it is doing."""

    def __init__(self, callback: EnforcementCallback, *, name: str, timeout_s: float, tiers: frozenset[str]) -> None:
        self._callback, self._name, self._timeout_s, self._tiers = callback, name, timeout_s, tiers
        self._is_async = inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004
        self._threads, self._tasks = Strangers(MOST_AT_ONCE), set[asyncio.Future[Any]]()
        self._quiet_until, self._failed_silently = 0.0, 0

    def concerns(self, tier: str) -> bool:
        return not self._tiers or tier in self._tiers

    async def ask(self, context: EnforcementContext) -> EnforcementDecision | CallbackFailure:
        asked = self._in_task(context) if self._is_async else self._in_thread(context)
        if asked is None:
            return self._failure(f"{MOST_AT_ONCE} questions to it are without an answer")
        try:
            await asyncio.wait({asked}, timeout=self._timeout_s)
        finally:
            answered = asked.done()
            asked.cancel()
        if not answered:
            return self._failure(f"no answer within {self._timeout_s:g} s")
        failed = asyncio.CancelledError() if asked.cancelled() else asked.exception()
        try:
            return decision_of(asked.result(), name=self._name) if failed is None else self._failure(_words(failed), failed)
        except CallbackFailed as nonsense:
            return self._failure(str(nonsense))

    def _in_task(self, context: EnforcementContext) -> "asyncio.Future[Any] | None":
        if len(self._tasks) >= MOST_AT_ONCE:
            return None
        task = asyncio.ensure_future(_contained(self._callback(context)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _in_thread(self, context: EnforcementContext) -> "asyncio.Future[Any] | None":
        asked = self._threads.call(self._callback, context)
        return None if asked is None else asyncio.wrap_future(asked)

    def _failure(self, reason: str, failed: BaseException | None = None) -> CallbackFailure:
        """Note it in the log, at most once a minute: a callback that is down fails with each call."""
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until:
            self._failed_silently += 1
        else:
            more = f", and {self._failed_silently} more failures since the last note" if self._failed_silently else ""
            log.warning("the enforcement callback %s has no answer: %s%s", self._name, reason, more, exc_info=failed)
            self._quiet_until, self._failed_silently = now + LOG_PAUSE_S, 0
        return CallbackFailure(self._name, reason)


async def _contained(answer: Any) -> Any:
    """What ends a process ends no process here."""
    try:
        return await answer
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as raised:
        raise RaisedTheUnusual(f"it raised {type(raised).__name__}") from raised


def _words(failed: BaseException) -> str:
    """For the caller: what a rule of the operator's raised is for the log."""
    return str(failed) if isinstance(failed, CallbackFailed | RaisedTheUnusual) else "it raised an error"


def decision_of(answer: Any, *, name: str) -> EnforcementDecision:
    """Return what a callback answered as a decision. Raises CallbackFailed for what is none."""
    if answer is None:
        return EnforcementDecision(callback=name)
    if isinstance(answer, str):
        answer = EnforcementDecision(answer)  # type: ignore[arg-type]
    if not isinstance(answer, EnforcementDecision) or not isinstance(answer.reason, str):
        raise CallbackFailed(f"it answered with a {type(answer).__name__}, or a reason, that is no decision")
    if answer.action not in tuple(EnforcementAction):
        raise CallbackFailed(f"its action is none of {', '.join(EnforcementAction)}")
    return EnforcementDecision(EnforcementAction(answer.action), answer.reason, _names(answer.models), name)


def _names(models: Any) -> frozenset[str] | None:
    if models is None:
        return None
    if isinstance(models, str | bytes) or not isinstance(models, Collection) or not all(isinstance(name, str) for name in models):
        raise CallbackFailed("its models are no list of names")
    return frozenset(models)
