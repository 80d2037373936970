"""What all alerts have in common: a kind, how bad it is, and the key by which the same thing is told once.

`subject` and `window` are the alert's identity within a tenant: the same thing is told once a window.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class AlertKind(StrEnum):
    BUDGET_MARK = "budget_mark"
    FORECAST_OVER_BUDGET = "forecast_over_budget"
    BUDGET_EXHAUSTION = "budget_exhaustion"
    ANOMALY = "anomaly"
    PROVIDER_DOWN = "provider_down"
    UNPRICED_MODEL = "unpriced_model"
    LEDGER_BROKEN = "ledger_broken"
    EXPORT_FAILED = "export_failed"
    REPORT_NOT_SENT = "report_not_sent"
    KEY_UNUSED = "key_unused"
    CHANNEL_FAILING = "channel_failing"


class AlertEvent(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The base of all kinds."""

    lasts: ClassVar[bool] = False
    """Is it a state that ends by itself? Then it is not raised again while it is open, and its end may be told."""

    @property
    def kind(self) -> AlertKind:
        return AlertKind(str(self.__struct_config__.tag))

    @property
    def subject(self) -> str:
        """What it is about; each kind says it."""
        raise NotImplementedError

    @property
    def window(self) -> str:
        """In which time it is told once; each kind says it."""
        raise NotImplementedError

    @property
    def severity(self) -> Severity:
        return Severity.WARNING

    @property
    def money_nusd(self) -> int | None:
        """How much money it is about; None where it is about none."""
        return None

    @property
    def ends_at(self) -> datetime | None:
        """When it is over in any case."""
        return None

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.subject}:{self.window}"
