"""How much code is read. Parsers are quick at what people write, and slow at what nobody does."""

import re
from itertools import islice

__all__ = ["is_readable"]

MAX_CHARS, MAX_LINES = 8_000, 800
MAX_NESTING = 60
"""Python's own parser is made to backtrack by deep brackets; nobody writes sixty."""
_TOKEN = re.compile(r"\w+|[^\w\s]")
_BRACKETS = re.compile(r"[()\[\]{}]")


def is_readable(source: str, *, most_tokens: int) -> bool:
    """Has `source` no more than 8,000 characters, 800 lines, `most_tokens` words and signs, and sixty brackets in each other?

    Worked number: 8,000 characters of a program are 200 lines with 1,400 to 2,200 words and signs; of "a;a;a;" they are 8,000.
    """
    if len(source) > MAX_CHARS or source.count("\n") > MAX_LINES:
        return False
    if next(islice(_TOKEN.finditer(source), most_tokens, None), None) is not None:
        return False
    return _nesting(source) <= MAX_NESTING


def _nesting(source: str) -> int:
    """Return how deep brackets nest at most, or are closed too often, counted without regard to strings: an upper bound for real code."""
    depth = farthest = 0
    for bracket in _BRACKETS.findall(source):
        depth += 1 if bracket in "([{" else -1
        farthest = max(farthest, depth, -depth)
    return farthest
