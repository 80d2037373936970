"""What the ledger's bench prints: one line a figure, with its target."""

from collections.abc import Callable
from typing import NamedTuple


class Line(NamedTuple):
    """One figure. `met` is None where there is nothing to meet."""

    name: str
    figure: str
    target: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        missed = "  MISSED" if self.met is False else ""
        return f"{self.name}: {self.figure}{f' ({self.target})' if self.target else ''}{missed}"


Say = Callable[[str], None]
"""Where progress goes."""


def zero(name: str, count: int, *, of: int, what: str) -> Line:
    """A figure that must be 0, with the number of trials and, where it is, the 95 % bound that so many trials give (rule of three)."""
    bound = f", 95 % bound {3 / of:.2g}" if of and not count else ""
    return Line(name, f"{count} of {of:,} {what}{bound}", "target 0", met=count == 0 and of > 0)
