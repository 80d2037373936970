"""What the book says of one attempt at a provider: its entry, and every correction since, as one value."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from billing.engine.pricing import Usage

CORRECTIONS = ("adjustment", "overrun")
METERS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
BY_PRICE = "price "
"""How the reference of a correction begins that only puts another price on what was used."""


class Booked(Struct, frozen=True, kw_only=True):
    """One entry, as far as its line needs it. Amounts in nano-USD."""

    id: UUID
    kind: str
    amount_nusd: int
    model: str
    price_version: str
    reference: str
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in METERS)


class Line(Struct, frozen=True, kw_only=True):
    """One attempt, with everything that is booked for it."""

    reservation_id: UUID
    leg: int
    attempt: int
    provider: str
    end_user_id: UUID | None
    occurred_at: datetime
    occurred_on: date
    outcome: str
    is_unverified: bool
    first: Booked
    """The entry that closed the attempt."""
    later: Sequence[Booked] = ()
    """Its overruns and corrections, oldest first."""

    @property
    def newest(self) -> Booked:
        return self.later[-1] if self.later else self.first

    @property
    def booked_nusd(self) -> int:
        return self.first.amount_nusd + sum(entry.amount_nusd for entry in self.later)

    @property
    def usage(self) -> Usage:
        """The tokens as they are known by now. An overrun that was booked beside an entry repeats its tokens, which count once."""
        counted: list[Booked] = []
        for entry in (self.first, *self.later):
            if entry.kind != "overrun" or entry.reference or entry.tokens not in [other.tokens for other in counted]:
                counted.append(entry)
        return Usage(**{name: sum(getattr(entry, name) for entry in counted) for name in METERS})

    @property
    def is_explained(self) -> bool:
        """Has somebody told since what the attempt came to: a late answer, or the provider's usage file?"""
        return any(not entry.reference.startswith(BY_PRICE) and (entry.kind == "adjustment" or any(entry.tokens)) for entry in self.later)

    @property
    def is_uncertain(self) -> bool:
        """Is what it cost a guess of ours, which the provider's usage file may correct? Not once a late answer told it."""
        guessed = self.first.kind in ("assumed", "estimated") or (self.first.kind == "voided" and self.is_unverified)
        return guessed and not any(not entry.reference and (entry.kind == "adjustment" or any(entry.tokens)) for entry in self.later)
