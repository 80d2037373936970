"""One line of the table of decisions."""

from typing import NamedTuple


class Row(NamedTuple):
    """One promise. `held_out` is the same figure by constants fitted without the row: nearer the truth, and still flattering, because which
    measurements, words and thresholds there are was chosen with all rows in view."""

    name: str
    ours: str
    held_out: str
    trivial: str
    reference: str
    target: str
    met: bool
    """On the rows that everything was chosen on."""
    holds: bool
    """By `held_out` too."""

    @property
    def verdict(self) -> str:
        return "MISSED" if not self.met else "met" if self.holds else "met on seen rows only"
