"""What the ledger's bench prints: one line a figure, with its target."""

from collections.abc import Callable, Sequence
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


def zero(name: str, count: int, *, of: int, what: str, by_chance: bool = True) -> Line:
    """A figure that must be 0, with the number of trials and, where it is, the rate that so many trials rule out with 95 % confidence.

    There is no such rate where the trials were chosen and not left to chance. Missed, too, where nothing was tried.
    Worked number: none of 100 trials rules out that more than 0.03 of all would fail, since 0.97 ** 100 is 5 %.
    """
    bound = f", 95 % bound {1 - 0.05 ** (1 / of):.2g}" if by_chance and of > 0 and not count else ""
    return Line(name, f"{count} of {of:,} {what}{bound}", "target 0", met=count == 0 and of > 0)


def whole(name: str, broken: Sequence[str], *, rules: int, over: str) -> Line:
    """Are all rules kept? They are no trials, so there is no bound: it says over what they were looked at."""
    return Line(name, f"{len(broken)} breaks of {rules} invariants over {over}", "target 0", met=not broken)
