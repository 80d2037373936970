"""Gauges that are looked up when somebody reads the page."""

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["Family"]


class Family(Struct, frozen=True, kw_only=True):
    """One gauge with all of its rows."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    rows: Sequence[tuple[tuple[str, ...], float]]
    """Labels, and the value under them."""
