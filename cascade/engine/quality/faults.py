"""What is wrong with a program, and where."""

from typing import NamedTuple


class Fault(NamedTuple):
    """The first thing that does not parse. `words` say what it is, without the draft's own names: reasons are kept with the run's trace."""

    line: int
    """Of the block, from 1."""
    words: str
