"""The operator's own word on a draft: registered callables that may lower its score or veto it, each within a time limit."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from math import isfinite
from time import monotonic

from msgspec import Struct

from billing.engine.strangers import Strangers
from cascade.engine.values import Check, Completion

__all__ = ["NAME_PREFIX", "Opinion", "QualityCallback", "ask_callbacks", "has_callbacks", "register_callbacks"]

log = logging.getLogger(__name__)

NAME_PREFIX = "callback "
DEFAULT_LIMIT_S = 0.005
"""A judgement waits so long at the most, for all callbacks together; it waits beside the event loop."""
MOST_WAITING = 8
"""So many unfinished calls, and this callback is not asked: it hangs, and threads cannot be ended. Others are asked all the same."""


class Opinion(Struct, frozen=True, kw_only=True):
    """What a callback thinks of a draft."""

    score: float
    """0 to 1; the draft's probability is lowered to it, never raised."""
    reason: str = ""
    """In words, for people."""
    veto: bool = False
    """Reject the draft whatever the threshold?"""


QualityCallback = Callable[[str, Completion], Opinion | None]
"""Takes prompt and completion; None is no opinion. Runs in a thread of its own, and must not change what it is given."""


class _Registered:
    callbacks: tuple[tuple[str, QualityCallback], ...] = ()
    limit_s: float = DEFAULT_LIMIT_S
    threads: dict[str, Strangers] = {}


def register_callbacks(callbacks: Mapping[str, QualityCallback], *, limit_s: float = DEFAULT_LIMIT_S) -> None:
    """Have every judgement of this process ask these callbacks, by name, instead of those registered before. An empty mapping ends it."""
    _Registered.threads = {name: Strangers(MOST_WAITING) for name in callbacks}
    _Registered.callbacks, _Registered.limit_s = tuple(callbacks.items()), limit_s


def has_callbacks() -> bool:
    return bool(_Registered.callbacks)


def ask_callbacks(prompt: str, completion: Completion) -> Sequence[Check]:
    """Return a check for each registered callback. One that fails, hangs or answers nonsense has no opinion, and its check says so."""
    asked = [(name, _start(name, callback, prompt, completion)) for name, callback in _Registered.callbacks]
    until = monotonic() + _Registered.limit_s
    return [_check(name, future, until=until) if future else _none(name, "too many earlier calls have not ended") for name, future in asked]


def _start(name: str, callback: QualityCallback, prompt: str, completion: Completion) -> Future[Opinion | None] | None:
    asked = _Registered.threads[name].call(callback, prompt, completion)
    if asked is None:
        log.warning("the quality callback %s is not asked: %s earlier calls have not ended", name, MOST_WAITING)
    return asked


def _check(name: str, future: Future[Opinion | None], *, until: float) -> Check:
    try:
        opinion = future.result(timeout=max(0.0, until - monotonic()))
    except TookTooLong:
        return _none(name, f"it took longer than {_Registered.limit_s * 1000:.0f} ms")
    except Exception as failed:  # whatever it raises is its own affair; its words may be the draft's
        return _none(name, f"it failed with {type(failed).__name__}")
    if opinion is None:
        return Check(name=NAME_PREFIX + name, score=1.0)
    score = opinion.score if isinstance(opinion, Opinion) else None
    if not isinstance(score, int | float) or not isfinite(score) or not 0 <= score <= 1:
        return _none(name, "it answered with something that is no Opinion with a score from 0 to 1")
    reason = str(opinion.reason)[:300] or (f"Vetoed by {name}" if opinion.veto else "")
    return Check(name=NAME_PREFIX + name, score=float(score), reason=reason, fatal=bool(opinion.veto))


def _none(name: str, why: str) -> Check:
    return Check(name=NAME_PREFIX + name, score=1.0, reason=f"No opinion of {name}: {why}")
