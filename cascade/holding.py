"""What every hold has in common, whoever makes the run: how long it may last, and that each leg is marked before it is sent."""

from billing.ledger import Hold
from cascade.engine.execution import BeforeLeg
from cascade.refusals import away_as_503
from cascade.runtime import Runtime

GRACE_S = 60


def ttl_s(longest_run_s: float) -> int:
    """Return when a hold is swept, in seconds: a while after its run must have ended."""
    return int(longest_run_s) + GRACE_S


def leg_marker(runtime: Runtime, hold: Hold) -> BeforeLeg:
    async def mark(leg: int) -> None:
        if leg:  # the hold itself marks the first leg
            await away_as_503(runtime.ledger.mark_sent(hold, leg=leg))

    return mark
