"""The operator's own word on a draft: registered callables that may lower its score or veto it, each within a time limit."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from math import isfinite
from time import monotonic

from msgspec import Struct

from cascade.engine.values import Check, Completion

__all__ = ["NAME_PREFIX", "Opinion", "QualityCallback", "ask_callbacks", "register_callbacks"]

NAME_PREFIX = "callback "
DEFAULT_LIMIT_S = 0.005
"""The event loop waits so long at the most, for all callbacks together."""
MOST_WAITING = 8
"""More unfinished calls than this, and a callback is not asked: it hangs, and threads cannot be ended."""


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
    threads: ThreadPoolExecutor | None = None
    waiting: set[Future[Opinion | None]] = set()


def register_callbacks(callbacks: Mapping[str, QualityCallback], *, limit_s: float = DEFAULT_LIMIT_S) -> None:
    """Have every judgement of this process ask these callbacks, by name, instead of those registered before. An empty mapping ends it."""
    _Registered.callbacks, _Registered.limit_s = tuple(callbacks.items()), limit_s
    _Registered.waiting = set()
    _Registered.threads = ThreadPoolExecutor(max_workers=MOST_WAITING, thread_name_prefix="quality-callback") if callbacks else None


def ask_callbacks(prompt: str, completion: Completion) -> Sequence[Check]:
    """Return a check for each registered callback. One that fails, hangs or answers nonsense has no opinion, and its check says so."""
    threads = _Registered.threads
    if threads is None:
        return ()
    _Registered.waiting = {future for future in _Registered.waiting if not future.done()}
    free = MOST_WAITING - len(_Registered.waiting)
    asked = [(name, threads.submit(callback, prompt, completion)) for name, callback in _Registered.callbacks[: max(free, 0)]]
    until = monotonic() + _Registered.limit_s
    checks = [_check(name, future, until=until) for name, future in asked]
    _Registered.waiting.update(future for _, future in asked if not future.done())
    return [*checks, *(_none(name, "too many earlier calls have not ended") for name, _ in _Registered.callbacks[len(asked) :])]


def _check(name: str, future: Future[Opinion | None], *, until: float) -> Check:
    try:
        opinion = future.result(timeout=max(0.0, until - monotonic()))
    except TookTooLong:
        future.cancel()
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
