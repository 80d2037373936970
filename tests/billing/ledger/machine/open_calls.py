"""Calls in flight of one end user: so many, and no more."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Asker(NamedTuple):
    end_user: str
    most: int | None
    """So many of the end user's calls may be open; None: any number."""


def too_many(askers: Sequence[Asker | None], in_flight: Counter[str]) -> list[bool]:
    """Which calls of a batch are one too many; None stands for one that was refused before.

    A batch is decided at once, so each call counts those of its end user before it in the batch, whether or not they are let in: that
    much, and no more, is it stricter than if they had come one after the other.
    """
    before: Counter[str] = Counter()
    found = []
    for asker in askers:
        if asker is None or asker.most is None or not asker.end_user:
            found.append(False)
            continue
        found.append(in_flight[asker.end_user] + before[asker.end_user] >= asker.most)
        before[asker.end_user] += 1
    return found
