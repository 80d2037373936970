"""Corrections of what is booked: never an edit, always a further entry with who and why."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct

ADJUST_BATCH = 100
"""In one transaction: the windows of a batch are locked until its commit, and calls wait for them."""

AdjustStatus = Literal["posted", "again", "changed", "open", "too_low", "unknown"]


class Adjustment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By how much one attempt of a leg came to something else than is booked. The amount (nano-USD) and the tokens are differences."""

    tenant: UUID
    reservation: UUID
    leg: int
    attempt: int
    amount: int
    actor: str
    reason: str
    reference: str
    """What it comes from. One attempt has one correction of a reference: posting it again changes nothing."""
    after: UUID | None = None
    """The newest entry of the attempt that the amount was worked out from; if another came since, nothing is posted ("changed")."""
    price_version: str | None = None
    """The price that applies from now on; None leaves what is booked."""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


def post_adjustments(*, dsn: str, adjustments: Sequence[Adjustment]) -> list[AdjustStatus]:
    """Post corrections, and return what became of each, in their order. Each `ADJUST_BATCH` of them is durable by itself.

    What is more is spent where every window has room, and an overrun where one has not; what is less takes overruns back first. Raises
    psycopg.Error when the database is away: what was posted by then stays, and posting all of it again adds the rest alone.
    Worked number: an attempt assumed at 400, of which the provider billed 150, is adjusted by -250; the hold's windows have 250 more to spend.
    """
    done: list[AdjustStatus] = []
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5, application_name="cascadeflow adjustments") as connection:
        for start in range(0, len(adjustments), ADJUST_BATCH):
            batch = msgspec.json.encode(adjustments[start : start + ADJUST_BATCH]).decode()
            rows = connection.execute("SELECT status FROM billing_adjust(%s::jsonb) ORDER BY item", (batch,)).fetchall()
            done += [status for (status,) in rows]
    return done
