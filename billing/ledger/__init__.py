"""The one writer of money. `Ledger` is for the hot path; `sweep` and its companions for tasks and commands."""

from billing.ledger.book import Ledger, dead_owners, ensure_partitions, owner_name, sweep
from billing.ledger.values import Entry, Hold, HoldRefused, HoldRequest, LedgerUnavailable, Leg, Rung, Subject, WindowFacts

__all__ = [
    "Entry", "Hold", "HoldRefused", "HoldRequest", "Ledger", "LedgerUnavailable", "Leg", "Rung", "Subject", "WindowFacts",
    "dead_owners", "ensure_partitions", "owner_name", "sweep",
]
