"""What telemetry is told: plain values without text. Money is nano-USD, times are milliseconds."""

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

__all__ = ["Facts", "RefusalFacts", "RunFacts", "TryFacts"]


class TryFacts(Struct, frozen=True, kw_only=True):
    """One call to a provider."""

    step: str
    kind: str
    """answer or check."""
    provider: str
    """The tenant's name of the connection."""
    provider_kind: str
    """What is behind it, a slug of SUPPORTED_PROVIDERS."""
    model: str
    """The tenant's name of the model."""
    request_model: str
    """The provider's own name of it."""
    response_model: str
    outcome: str
    """"answered", or the code of the error."""
    status: str
    """What became of the step by this try: accepted, rejected or failed."""
    booked: str
    started_ms: float
    """Since the run began."""
    latency_ms: float
    cost_nusd: int
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    score: float | None = None
    threshold: float | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of every call, answered or refused."""

    tenant: str
    """Its slug."""
    tier: str
    started_ns: int
    """When the call came, in nanoseconds since 1970."""
    latency_ms: float
    trace: Mapping[str, str] = {}
    """The W3C headers of the trace that the call belongs to."""
    end_user: UUID | None = None
    """Our own id of the end user, which is no name; None unless the operator switched it on."""


class RefusalFacts(Facts, frozen=True, kw_only=True):
    """A call for which no money was held."""

    reason: str
    """The code of the error."""
    status: int
    """The HTTP status that the caller got."""


class RunFacts(Facts, frozen=True, kw_only=True):
    """A run whose cost is booked."""

    run_id: UUID
    shadow_of: UUID | None
    domain: str
    complexity: str
    preset: str
    policy_version: str
    arm: str
    outcome: str
    """served, degraded, failed or shadow."""
    error: str
    """The code of the error; empty where it was served."""
    model_used: str
    draft_accepted: bool | None
    """None where no draft was judged."""
    escalated: bool
    """Was a model asked beyond the draft?"""
    cost_nusd: int
    hold_ms: float
    settle_ms: float
    first_token_ms: float | None
    """Of a stream: when its reader could have the first token."""
    tries: tuple[TryFacts, ...]
