"""What an operator's own rules say to a call before money is held for it: allow, warn, degrade or block."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from msgspec import Struct

from billing.engine.money import to_usd
from billing.engine.tracking import WindowSum

log = logging.getLogger(__name__)
THREADS = 16
"""Callbacks that are plain functions run beside the event loop, so many at once in a process; one more waits for its turn."""


class EnforcementAction(StrEnum):
    """From the mildest to the strictest."""

    ALLOW = "allow"
    WARN = "warn"
    DEGRADE = "degrade"
    BLOCK = "block"


STRICTNESS = {action: number for number, action in enumerate(EnforcementAction)}


class EnforcementContext(Struct, frozen=True, kw_only=True):
    """One call, before money is held for it: who asks, what is planned, and how the budgets stand. No text of the prompt."""

    run_id: UUID
    asked_at: datetime
    tenant: str
    """Slug of the account."""
    user_id: str | None
    """The account's own name for the end user."""
    user_tier: str
    api_key_id: UUID
    tags: Sequence[str] = ()
    domain: str
    complexity: str
    preset: str
    """Empty where a model is asked by name."""
    models: Sequence[str]
    """What the plan would ask, in order."""
    available_models: Sequence[str]
    """What could be asked for this call at all, by name."""
    estimated_nusd: int
    """The most that the plan can cost, in nano-USD."""
    windows: Sequence[WindowSum] = ()
    """The budget windows that bind the call."""

    @property
    def estimated_cost(self) -> str:
        """The same in USD."""
        return to_usd(self.estimated_nusd)

    @property
    def used_percent(self) -> int:
        """How far the fullest window is spent or held. Worked number: of 0.50 USD with 0.30 spent and 0.15 held, 90."""
        shares = [100 * (window.spent_nusd + window.held_nusd) // max(window.limit_nusd, 1) for window in self.windows]
        return max(shares, default=0)


class EnforcementDecision(Struct, frozen=True):
    """What one callback says. `models`, where given, are the only ones that may answer."""

    action: EnforcementAction = EnforcementAction.ALLOW
    reason: str = ""
    models: Collection[str] | None = None
    callback: str = ""
    """Who said it; filled in by EnforcementCallbacks."""


class CallbackFailure(Struct, frozen=True):
    """A callback that gave no answer, and why, in words."""

    callback: str
    reason: str


class CallbackFailed(Exception):
    """Raised by a callback that knows why it has no answer; its words are told to the caller."""


class Enforcement(Struct, frozen=True, kw_only=True):
    """What all callbacks together say: the strictest word counts."""

    decisions: Sequence[EnforcementDecision] = ()
    failures: Sequence[CallbackFailure] = ()

    @property
    def action(self) -> EnforcementAction:
        return max((decision.action for decision in self.decisions), key=STRICTNESS.__getitem__, default=EnforcementAction.ALLOW)

    def saying(self, action: EnforcementAction) -> Sequence[EnforcementDecision]:
        return [decision for decision in self.decisions if decision.action is action]

    @property
    def filters_models(self) -> bool:
        return any(decision.models is not None for decision in self.decisions)

    def filter_models(self, models: Sequence[str]) -> tuple[str, ...]:
        """Return those that every callback leaves, in their order. Worked example: of a, b, c, where one leaves b, c and one a, b: b."""
        kept = [decision.models for decision in self.decisions if decision.models is not None]
        return tuple(name for name in models if all(name in names for names in kept))


EnforcementAnswer = EnforcementAction | EnforcementDecision | str | None
EnforcementCallback = Callable[[EnforcementContext], EnforcementAnswer | Awaitable[EnforcementAnswer]]
"""A function or an async function. It answers an action, the name of one, a decision, or None for "allow"."""


class Registered(Struct, frozen=True, kw_only=True):
    name: str
    callback: EnforcementCallback
    timeout_s: float
    tiers: Collection[str]


class EnforcementCallbacks:
    """Callbacks, and the question to all of them at once."""

    def __init__(self) -> None:
        self._registered: list[Registered] = []

    def __bool__(self) -> bool:
        return bool(self._registered)

    def register(self, callback: EnforcementCallback, *, name: str, timeout_s: float = 1.0, tiers: Collection[str] = ()) -> None:
        """Ask `callback` about each call, or about those of some tiers; after `timeout_s` seconds it counts as failed."""
        self._registered.append(Registered(name=name, callback=callback, timeout_s=timeout_s, tiers=tiers))

    async def decide(self, context: EnforcementContext) -> Enforcement:
        """Ask all that are meant, at the same time, and return what they say. Never raises: one that fails is named in `failures`."""
        asked = [entry for entry in self._registered if not entry.tiers or context.user_tier in entry.tiers]
        answers = await asyncio.gather(*(_ask(entry, context) for entry in asked))
        return Enforcement(
            decisions=[answer for answer in answers if isinstance(answer, EnforcementDecision)],
            failures=[answer for answer in answers if isinstance(answer, CallbackFailure)],
        )


async def _ask(entry: Registered, context: EnforcementContext) -> EnforcementDecision | CallbackFailure:
    try:
        async with asyncio.timeout(entry.timeout_s):
            return _decision(await _call(entry.callback, context), name=entry.name)
    except TimeoutError:
        reason = f"no answer within {entry.timeout_s:g} s"
    except CallbackFailed as failed:
        reason = str(failed)
    except Exception as unforeseen:  # whatever an operator's code does, the call is decided here
        log.exception("the enforcement callback %s failed", entry.name)
        reason = f"it raised {type(unforeseen).__name__}"
    log.warning("the enforcement callback %s has no answer: %s", entry.name, reason)
    return CallbackFailure(entry.name, reason)


async def _call(callback: EnforcementCallback, context: EnforcementContext) -> Any:
    if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None)):  # noqa: B004 - the method itself
        return await callback(context)  # type: ignore[misc]
    answer = await asyncio.get_running_loop().run_in_executor(_threads(), callback, context)
    return await answer if inspect.isawaitable(answer) else answer


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="enforcement")


def _decision(answer: Any, *, name: str) -> EnforcementDecision:
    if answer is None:
        return EnforcementDecision(callback=name)
    if isinstance(answer, EnforcementDecision):
        return EnforcementDecision(EnforcementAction(answer.action), answer.reason, answer.models, name)
    if isinstance(answer, str) and answer in STRICTNESS:
        return EnforcementDecision(EnforcementAction(answer), callback=name)
    raise CallbackFailed(f"it answered {str(answer)[:40]!r}, which is none of {', '.join(EnforcementAction)}")
