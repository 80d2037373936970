"""The few constants that were fitted to data. Everything else is learnt from each series itself."""

from typing import NamedTuple


class Constants(NamedTuple):
    slow_gain: float
    """How much of a surprise a slow level takes over: its memory is 1 / gain steps long."""
    quick_gain: float
    drift_gain: float
    return_gain: float
    """How fast that part of a surprise comes back which was cut off."""
    sharpness: float
    """A method whose back-tested error is twice another's counts 1 / 2^sharpness of it."""


FITTED = Constants(slow_gain=0.03, quick_gain=0.2, drift_gain=0.1, return_gain=0.02, sharpness=3.0)
