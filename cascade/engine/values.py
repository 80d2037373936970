"""Frozen values that pass between the parts of the engine. Token counts are ints, money is nano-USD, times are seconds."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from billing.engine.pricing import Price, Usage

__all__ = [
    "Check",
    "Completion",
    "CompletionRequest",
    "Complexity",
    "DomainMatch",
    "Message",
    "ModelConfig",
    "Usage",
    "ValidationResult",
]

Message = Mapping[str, Any]
"""One chat message in OpenAI's form: role, content (text or parts), tool_calls, tool_call_id, name."""

Capability = Literal["tools", "vision", "json", "streaming", "logprobs"]
Complexity = Literal["trivial", "simple", "moderate", "hard", "expert"]


class ModelConfig(Struct, frozen=True, kw_only=True):
    """One model as a tenant can use it: which provider answers under which name, at what price, able to do what."""

    name: str
    """The tenant's name for it, for example "gpt-4o-mini"."""
    provider: str
    """Slug of the tenant's provider connection."""
    upstream_name: str
    """The provider's own name for it."""
    price: Price | None = None
    list_price: Price | None = None
    """The platform's price, where the tenant's own takes its place."""
    context_tokens: int = 128_000
    max_output_tokens: int = 16_384
    cap_parameter: str = "max_tokens"
    """The provider's name for the output cap that is always sent."""
    capabilities: frozenset[Capability] = frozenset({"tools", "json", "streaming"})
    retired_on: str | None = None
    """ISO date after which the provider no longer serves it."""
    retirement_notice: str = ""
    """What is to be said of that, in words; empty while the day is far off."""
    is_quarantined: bool = False
    """Has it billed beyond its bound, so that no budget that degrades or blocks may bear it?"""


class CompletionRequest(Struct, frozen=True, kw_only=True):
    """One call to one model, ready to send."""

    model: ModelConfig
    messages: Sequence[Message]
    max_tokens: int
    """Output cap, always sent under the model's `cap_parameter`."""
    parameters: Mapping[str, Any] = {}
    """The caller's other documented OpenAI fields (temperature, tools, response_format, ...), passed through untouched."""
    user: str | None = None
    timeout_s: float = 60.0


class Completion(Struct, frozen=True, kw_only=True):
    """One model's answer."""

    message: Message
    """The assistant message in OpenAI's form, as the provider gave it."""
    finish_reason: str
    usage: Usage | None
    """None when the provider reported none."""
    model: str = ""
    """The model's name as echoed by the provider."""
    request_id: str | None = None
    logprobs: Mapping[str, Any] | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        content = self.message.get("content")
        return content if isinstance(content, str) else ""

    @property
    def tool_calls(self) -> Sequence[Mapping[str, Any]]:
        return self.message.get("tool_calls") or ()


class RuleEvidence(Struct, frozen=True, kw_only=True):
    """What a domain's choice hung on where rules of the tenant's own were met: enough to decide it anew under other weights, without a word
    of the prompt."""

    scores: tuple[tuple[str, float], ...]
    """Every domain and its nats, in the order that decides between equals."""
    met: Mapping[str, tuple[str, int, float]]
    """By the rule's id: its domain, how many of its words were met (it and its plural are two), and the nats that each gave."""


class DomainMatch(Struct, frozen=True, kw_only=True):
    """What a prompt is about, and how sure that is."""

    domain: str
    confidence: float
    """0 to 1."""
    runner_up: str | None = None
    runner_up_confidence: float = 0.0
    matched: tuple[str, ...] = ()
    """The words, phrases and shapes that decided, for people to read."""
    overridden: bool = False
    """Was the domain said by the caller instead of detected?"""
    evidence: RuleEvidence | None = None
    """None where no rule of the tenant's own was met."""


class Check(Struct, frozen=True, kw_only=True):
    """One quality check's verdict."""

    name: str
    score: float
    """0 (fails) to 1 (passes)."""
    reason: str = ""
    """In words, for people; empty when there is nothing to say."""
    fatal: bool = False
    """Does this alone reject the draft?"""


class ValidationResult(Struct, frozen=True, kw_only=True):
    """Is a draft good enough?"""

    score: float
    """Estimated probability, 0 to 1, that the draft is acceptable."""
    threshold: float
    accepted: bool
    checks: tuple[Check, ...]
    reason: str
    """The decision in one sentence."""
