"""Calls functions that somebody else wrote: in threads that keep no process from ending, and no more at once than may hang."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class RaisedTheUnusual(Exception):
    """Stands for what a future does not carry, or what would end a process: SystemExit, KeyboardInterrupt, StopIteration. Names it."""


class Strangers:
    """Room for so many calls that have not come back. A thread cannot be ended: one that hangs keeps its place."""

    def __init__(self, most: int) -> None:
        self._room = threading.Semaphore(most)

    def call(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any] | None":
        """Return what the function will come to; None, at once, where there is no room or no thread left."""
        if not self._room.acquire(blocking=False):
            return None
        answered: Future[Any] = Future()
        answered.set_running_or_notify_cancel()  # whoever stops waiting does not take it back

        def run() -> None:
            try:
                answered.set_result(function(*arguments))
            except BaseException as raised:
                is_usual = isinstance(raised, Exception) and not isinstance(raised, StopIteration)
                answered.set_exception(raised if is_usual else RaisedTheUnusual(f"it raised {type(raised).__name__}"))
            finally:
                self._room.release()

        try:
            threading.Thread(target=run, name=f"stranger {getattr(function, '__name__', '')}", daemon=True).start()
        except RuntimeError:  # the machine has no thread left
            self._room.release()
            return None
        return answered
