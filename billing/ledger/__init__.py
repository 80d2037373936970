"""The one writer of money. `Ledger` is for the hot path; `sweep`, `post_adjustments` and their companions for tasks and commands."""

from billing.ledger.adjustments import Adjustment, AdjustStatus, post_adjustments
from billing.ledger.book import Ledger, dead_owners, ensure_partitions, owner_name, sweep
from billing.ledger.keys import KnownCall, find_key, finish_key, forget_keys
from billing.ledger.rates import forget_rates
from billing.ledger.values import (
    CallKey,
    Entry,
    Hold,
    HoldRefused,
    HoldRequest,
    KeyTaken,
    LedgerRewound,
    LedgerUnavailable,
    Leg,
    Rate,
    RateLimited,
    RateStanding,
    Rung,
    Subject,
    TooManyOpen,
    WindowFacts,
)

__all__ = [
    "AdjustStatus", "Adjustment", "CallKey", "Entry", "Hold", "HoldRefused", "HoldRequest", "KeyTaken", "KnownCall", "Ledger",
    "LedgerRewound", "LedgerUnavailable", "Leg", "Rate", "RateLimited", "RateStanding", "Rung", "Subject", "TooManyOpen", "WindowFacts",
    "dead_owners", "ensure_partitions", "find_key", "finish_key", "forget_keys", "forget_rates", "owner_name", "post_adjustments", "sweep",
]
