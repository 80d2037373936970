"""What can be worth telling somebody: one struct a kind.

Facts hold ids, amounts in nano-USD and times, and never the name of an end user: names are looked up when a text is made (words.py), so that
whoever is erased is in no alert either.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from billing.engine.alerts.budget_events import BudgetEvent, BudgetMarkPassed, BudgetNearlyExhausted, ForecastOverBudget
from billing.engine.alerts.kinds import AlertEvent, AlertKind, Severity

__all__ = [
    "AlertEvent", "AlertKind", "AnomalyFound", "BrokenInvariant", "BudgetEvent", "BudgetMarkPassed", "BudgetNearlyExhausted", "ChannelFailing",
    "Driver", "ExportFailed", "ForecastOverBudget", "KeyUnused", "LedgerBroken", "ProviderDown", "ReportNotSent", "Severity",
    "UnpricedModel", "from_facts", "to_facts",
]


class Driver(Struct, frozen=True, kw_only=True):
    """One part of an anomaly: how much more (or less) was spent under one value of a dimension."""

    dimension: str
    value: str
    change_nusd: int


class AnomalyFound(AlertEvent, frozen=True, kw_only=True, tag="anomaly"):
    """Spend that is not what was expected. `dimension` and `value` as in DayRollup; end users by our id."""

    anomaly: UUID | None = None
    dimension: str
    value: str
    started_at: datetime
    ended_at: datetime | None = None
    expected_nusd: int
    actual_nusd: int
    drivers: Sequence[Driver] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for an end user or an API key that is not said by our id."""
        for part in (Driver(dimension=self.dimension, value=self.value, change_nusd=0), *self.drivers):
            if part.dimension in ("end_user", "api_key") and part.value:
                UUID(part.value)

    @property
    def end_user(self) -> UUID | None:
        return UUID(self.value) if self.dimension == "end_user" and self.value else None

    @property
    def subject(self) -> str:
        return f"{self.dimension}={self.value}"

    @property
    def window(self) -> str:
        return self.started_at.date().isoformat()

    @property
    def money_nusd(self) -> int | None:
        return abs(self.actual_nusd - self.expected_nusd)


class ProviderDown(AlertEvent, frozen=True, kw_only=True, tag="provider_down"):
    """Most calls by one connection fail."""

    lasts = True

    connection: str
    seen_at: datetime
    failures: int
    calls: int
    minutes: int
    error_codes: Mapping[str, int] = {}

    @property
    def subject(self) -> str:
        return self.connection

    @property
    def window(self) -> str:
        return f"{self.seen_at:%Y-%m-%dT%H}"

    @property
    def severity(self) -> Severity:
        return Severity.CRITICAL


class UnpricedModel(AlertEvent, frozen=True, kw_only=True, tag="unpriced_model"):
    """A model without a price is called: booked at nothing, or refused where a budget needs a bound."""

    lasts = True

    model: str
    connection: str
    seen_at: datetime
    booked: int = 0
    """How many calls were booked at nothing in the last minutes. 0: they are refused."""

    @property
    def subject(self) -> str:
        return f"{self.connection}/{self.model}"

    @property
    def window(self) -> str:
        return self.seen_at.date().isoformat()


class BrokenInvariant(Struct, frozen=True, kw_only=True):
    name: str
    meaning: str
    rows: int


class LedgerBroken(AlertEvent, frozen=True, kw_only=True, tag="ledger_broken"):
    """The book of the tenant does not add up. Our own staff is told, too."""

    lasts = True

    seen_at: datetime
    invariants: Sequence[BrokenInvariant]

    @property
    def subject(self) -> str:
        return "ledger"

    @property
    def window(self) -> str:
        return f"{self.seen_at:%Y-%m-%dT%H}"

    @property
    def severity(self) -> Severity:
        return Severity.CRITICAL


class ExportFailed(AlertEvent, frozen=True, kw_only=True, tag="export_failed"):
    """A file that was asked for could not be made. `reason` in words of ours."""

    export: UUID
    name: str
    reason: str
    failed_at: datetime

    @property
    def subject(self) -> str:
        return str(self.export)

    @property
    def window(self) -> str:
        return self.failed_at.date().isoformat()


class ReportNotSent(AlertEvent, frozen=True, kw_only=True, tag="report_not_sent"):
    """A report that comes by mail could not be sent when it was due. However often it is tried again, it is one alert. `reason` in words of ours."""

    lasts = True

    schedule: UUID
    name: str
    first: date
    last: date
    due_at: datetime
    reason: str
    failed_at: datetime
    tried_until: datetime | None = None
    """None: it was given up."""

    @property
    def subject(self) -> str:
        return str(self.schedule)

    @property
    def window(self) -> str:
        return self.due_at.isoformat()


class KeyUnused(AlertEvent, frozen=True, kw_only=True, tag="key_unused"):
    """An API key that works and that nobody has used for long. `since` is when it was last used, or made. Told once until it is used again."""

    lasts = True

    api_key: UUID
    name: str
    last4: str
    since: datetime

    @property
    def subject(self) -> str:
        return str(self.api_key)

    @property
    def window(self) -> str:
        return self.since.isoformat()


class ChannelFailing(AlertEvent, frozen=True, kw_only=True, tag="channel_failing"):
    """Messages to one channel have not arrived for a while. The other channels are told."""

    lasts = True

    channel: UUID
    name: str
    failing_since: datetime
    problem: str

    @property
    def subject(self) -> str:
        return str(self.channel)

    @property
    def window(self) -> str:
        return self.failing_since.isoformat()


EVENTS = (
    BudgetMarkPassed | ForecastOverBudget | BudgetNearlyExhausted | AnomalyFound | ProviderDown | UnpricedModel | LedgerBroken | ExportFailed
    | ReportNotSent | KeyUnused | ChannelFailing
)  # fmt: skip


def to_facts(event: AlertEvent) -> dict[str, Any]:
    """Return the event as JSON-like values, with its kind; `from_facts` reads it back."""
    facts: dict[str, Any] = msgspec.to_builtins(event)
    return facts


def from_facts(facts: Mapping[str, Any]) -> AlertEvent:
    """Raises msgspec.ValidationError for what `to_facts` did not make."""
    event: AlertEvent = msgspec.convert(facts, type=EVENTS, strict=False)
    return event
