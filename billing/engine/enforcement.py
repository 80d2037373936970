"""What an operator's own rules say to a call before money is held for it: allow, warn, degrade or block."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from billing.engine.money import to_usd
from billing.engine.tracking import WindowSum


class EnforcementAction(StrEnum):
    """From the mildest to the strictest."""

    ALLOW = "allow"
    WARN = "warn"
    DEGRADE = "degrade"
    BLOCK = "block"


STRICTNESS = {action: number for number, action in enumerate(EnforcementAction)}


class EnforcementContext(Struct, frozen=True, kw_only=True):
    """One call, before money is held for it: who asks, what is planned, and how the budgets stand. No text of the prompt."""

    run_id: UUID
    asked_at: datetime
    tenant: str
    """Slug of the account."""
    user_id: str | None
    """The account's own name for the end user."""
    user_tier: str
    api_key_id: UUID | None
    tags: Sequence[str] = ()
    domain: str
    complexity: str
    preset: str
    """Empty where a model is asked by name."""
    models: Sequence[str]
    """What the plan would ask, in order."""
    available_models: Sequence[str]
    """What could be asked for this call at all, by name."""
    estimated_nusd: int
    """The most that the plan can cost, in nano-USD."""
    windows: Sequence[WindowSum] = ()
    """The budget windows that bind the call."""

    @property
    def estimated_cost(self) -> str:
        """The same in USD."""
        return to_usd(self.estimated_nusd)

    @property
    def used_percent(self) -> int:
        """How far the fullest window is spent or held. Worked number: of 0.50 USD with 0.30 spent and 0.15 held, 90."""
        shares = [100 * (window.spent_nusd + window.held_nusd) // max(window.limit_nusd, 1) for window in self.windows]
        return max(shares, default=0)


class EnforcementDecision(Struct, frozen=True):
    """What one callback says. `models`, where given, are the only ones that may answer."""

    action: EnforcementAction = EnforcementAction.ALLOW
    reason: str = ""
    models: Collection[str] | None = None
    callback: str = ""
    """Who said it; filled in by EnforcementCallbacks."""


class CallbackFailure(Struct, frozen=True):
    """A callback that gave no answer, and why, in words."""

    callback: str
    reason: str


class CallbackFailed(Exception):
    """Raised by a callback that knows why it has no answer; its words are told to the caller."""


class Enforcement(Struct, frozen=True, kw_only=True):
    """What all callbacks together say: the strictest word counts."""

    decisions: Sequence[EnforcementDecision] = ()
    failures: Sequence[CallbackFailure] = ()

    @property
    def action(self) -> EnforcementAction:
        return max((decision.action for decision in self.decisions), key=STRICTNESS.__getitem__, default=EnforcementAction.ALLOW)

    def saying(self, action: EnforcementAction) -> Sequence[EnforcementDecision]:
        return [decision for decision in self.decisions if decision.action is action]

    @property
    def filters_models(self) -> bool:
        return any(decision.models is not None for decision in self.decisions)

    def filter_models(self, models: Sequence[str]) -> tuple[str, ...]:
        """Return those that every callback leaves, in their order. Worked example: of a, b, c, where one leaves b, c and one a, b: b."""
        kept = [decision.models for decision in self.decisions if decision.models is not None]
        return tuple(name for name in models if all(name in names for names in kept))
