"""What goes into the ledger and what comes out of it. Amounts are nano-USD."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

EntryKind = Literal["settled", "estimated", "assumed", "voided", "overrun"]


class Leg(Struct, frozen=True, kw_only=True):
    """One planned call to a provider, and the most that it can cost."""

    step: str
    provider: str
    model: str
    price_version: str
    amount: int


class Rung(Struct, frozen=True, kw_only=True):
    """One way to answer, dearest path first: the hold covers all of its legs."""

    legs: Sequence[Leg]

    @property
    def amount(self) -> int:
        return sum(leg.amount for leg in self.legs)


class Subject(Struct, frozen=True, kw_only=True):
    """Whom the money is spent for: decides which budgets apply."""

    tenant_id: UUID
    time_zone: str
    api_key_id: UUID | None = None
    end_user_id: UUID | None = None
    end_user_name: str | None = None
    tier: str | None = None
    tags: Sequence[str] = ()


class CallKey(Struct, frozen=True, kw_only=True):
    """An application's word that this is one and the same call, however often it is sent."""

    endpoint: str
    key: str
    fingerprint: bytes
    """SHA-256 of what was sent: something else under the same key is another call, and refused."""


class Rate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much a subject may ask for in a minute; None is no limit."""

    name: str
    """Whose limit: "key" or "end-user"."""
    subject: UUID
    requests: int | None = None
    tokens: int | None = None


class RateStanding(Struct, frozen=True, kw_only=True):
    """How one limit stands. It refills all the time: `left` of `limit` a minute can be had at once."""

    name: str
    unit: Literal["requests", "tokens"]
    limit: int
    left: float
    wait: float | None
    """Seconds until the call fits that was asked for; 0 where it did, None where it never can."""

    @property
    def remaining(self) -> int:
        return int(self.left)

    @property
    def until_more_s(self) -> float:
        """Seconds until one more than `remaining` can be had. Worked number: of 30 a minute 4.5 are left: 1 s."""
        return (self.remaining + 1 - self.left) * 60 / self.limit if self.remaining < self.limit else 0.0

    @property
    def until_full_s(self) -> float:
        return (self.limit - self.left) * 60 / self.limit


class HoldRequest(Struct, frozen=True, kw_only=True):
    """Asks to hold the first of `rungs` that every budget of the subject can bear."""

    id: UUID
    subject: Subject
    rungs: Sequence[Rung]
    domain: str = ""
    preset: str = ""
    ttl_s: int = 660
    unpriced: bool = False
    """Is a model without a price on the path? Refused wherever a budget degrades or blocks."""
    key: CallKey | None = None
    """Claimed together with the hold."""
    rates: Sequence[Rate] = ()
    """Limits that the call is taken from, together with the hold."""
    tokens: int = 0
    """What the call is estimated to take of the limits in tokens."""
    most_open: int | None = None
    """So many holds of the end user may be open at once."""


class WindowFacts(Struct, frozen=True, kw_only=True):
    """The arithmetic of one budget window: why a call was refused, or what it warns of."""

    window: int
    budget: UUID
    name: str
    scope: str
    subject: str
    period: str
    action: str
    limit_nusd: int
    cap_nusd: int | None
    spent_nusd: int
    held_nusd: int
    start_at: datetime
    end_at: datetime


class Hold(Struct, frozen=True, kw_only=True):
    """The money is held, durably. `rung` is the index of the rung that fits; `remaining_nusd` what the tightest budget has left."""

    id: UUID
    tenant_id: UUID
    rung: int
    remaining_nusd: int | None
    warnings: Sequence[WindowFacts] = ()
    rates: Sequence[RateStanding] = ()
    """How the limits stand, this call taken from them."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one leg."""

    leg: int
    kind: EntryKind
    amount: int
    step: str
    provider: str
    model: str
    price_version: str = ""
    attempt: int = 1
    outcome: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    is_unverified: bool = False
    provider_request_id: str = ""


class LedgerError(Exception):
    """Base of what the ledger says instead of a hold."""

    rates: Sequence[RateStanding] = ()
    """How the caller's limits stand. Nothing was taken from them."""


class LedgerUnavailable(LedgerError):
    """The database cannot be reached. Nothing is admitted; try again after `retry_after_s`."""

    retry_after_s = 2
    in_doubt = False
    """Was the database asked, so that it may have written although no answer came?"""


class KeyTaken(LedgerError):
    """The idempotency key belongs to another call; nothing is held. keys.find_key tells which."""


class RateLimited(LedgerError):
    """A limit of requests or tokens a minute is used up; nothing is held, and nothing taken from any limit."""

    def __init__(self, rates: Sequence[RateStanding], *, tokens: int) -> None:
        super().__init__("a rate limit does not bear this call")
        self.rates = rates
        self.tokens = tokens
        """What the call is estimated to take."""

    @property
    def binding(self) -> RateStanding:
        """The limit that makes the call wait longest, one that never bears it before all others."""
        return max(self.rates, key=lambda rate: math.inf if rate.wait is None else rate.wait)

    @property
    def limit(self) -> int:
        return self.binding.limit

    @property
    def remaining(self) -> int:
        return self.binding.remaining

    @property
    def reset(self) -> float | None:
        """Seconds until the call fits; None when it never can."""
        return self.binding.wait


class TooManyOpen(LedgerError):
    """The end user has as many calls in flight as they may; nothing is held."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the end user has {most} calls in flight")
        self.most = most


class LedgerRewound(LedgerError):
    """The database was restored from a backup and has forgotten spend, so a budget that blocks cannot be kept. An operator must resume."""


class HoldRefused(LedgerError):
    """No rung fits. `windows` has the arithmetic; `only_held` says that money is merely held by calls in flight."""

    def __init__(self, *, best_nusd: int, cheapest_nusd: int, windows: Sequence[WindowFacts], unpriced: bool) -> None:
        super().__init__("no budget can bear this call")
        self.best_nusd, self.cheapest_nusd, self.windows, self.unpriced = best_nusd, cheapest_nusd, windows, unpriced

    def asked_of(self, facts: WindowFacts) -> int:
        """What would have to fit: a budget that blocks is asked for the best rung, one that degrades for the cheapest."""
        return self.best_nusd if facts.action == "block" else self.cheapest_nusd

    @property
    def capped(self) -> list[WindowFacts]:
        return [facts for facts in self.windows if facts.cap_nusd is not None]

    @property
    def binding(self) -> WindowFacts | None:
        """The window that falls short by the most."""
        return min(self.capped, key=lambda facts: (facts.cap_nusd or 0) - facts.spent_nusd - facts.held_nusd - self.asked_of(facts), default=None)

    @property
    def may_degrade(self) -> bool:
        """Would a cheaper rung help: does a budget that degrades stand in the way, and none that blocks?"""
        short = [facts for facts in self.capped if (facts.cap_nusd or 0) - facts.spent_nusd - facts.held_nusd < self.asked_of(facts)]
        return not self.unpriced and bool(short) and all(facts.action == "degrade" for facts in short)

    @property
    def only_held(self) -> bool:
        return not self.unpriced and all((facts.cap_nusd or 0) - facts.spent_nusd >= self.asked_of(facts) for facts in self.capped)
