"""What is asked, what is planned, what came of it: the values around one run."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from cascade.engine.errors import CascadeError
from cascade.engine.strategies import StepKind, ValidatorName
from cascade.engine.values import Completion, Complexity, DomainMatch, Message, ModelConfig, Usage, ValidationResult

Charge = Literal["settled", "estimated", "assumed", "voided"]
Arm = Literal["", "cascade", "baseline", "shadow"]


class CascadeRequest(Struct, frozen=True, kw_only=True):
    """What the caller asks, whichever API it came through."""

    messages: Sequence[Message]
    model: str = "auto"
    """A preset, "auto", or a concrete model."""
    parameters: Mapping[str, Any] = {}
    """Further documented OpenAI fields, passed through to the provider."""
    max_tokens: int | None = None
    domain: str | None = None
    """Overrides detection."""
    tier: str | None = None
    max_cost_nusd: int | None = None
    """Most that this run may hold, in nano-USD."""
    only_models: frozenset[str] | None = None
    """What enforcement callbacks left of the models; None where none of them said."""
    user: str | None = None
    """Sent to the provider as `user`: never the tenant's own name of a person."""
    lot: str = ""
    """What decides the call's arm where a preset is rolled out: the same text always has the same arm."""


class PlannedStep(Struct, frozen=True, kw_only=True):
    """One step with everything decided: also one leg of the hold."""

    name: str
    kind: StepKind
    candidates: tuple[ModelConfig, ...]
    """The model that is asked, then the ones that take its place when its provider fails."""
    validator: ValidatorName | None
    threshold: float | None
    max_tokens: int
    timeout_s: float
    instruction: str
    input_bound_tokens: int
    bound_nusd: int
    """The most that this step can cost, whichever candidate answers."""
    retries_on_quality: int = 0
    is_retry: bool = False
    """Does it ask the step before it once more? Then it runs only when that one's answer was rejected."""
    is_always_judged: bool = False
    """Must the answer hold also when nothing is left to escalate to? So wherever the tier sets a least quality."""

    @property
    def model(self) -> ModelConfig:
        return self.candidates[0]


class CascadePlan(Struct, frozen=True, kw_only=True):
    """How one request will be answered, and what that can cost at the most."""

    request: CascadeRequest
    prompt: str
    """The text that is judged against: the last user message."""
    domain: DomainMatch
    complexity: Complexity
    tier: str | None
    preset: str
    policy_version: str
    steps: tuple[PlannedStep, ...]
    skipped: tuple[str, ...] = ()
    """What was left out and why, in words."""
    baseline: ModelConfig | None = None
    degraded: str | None = None
    """Why this is less than the best path; None for the best path."""
    rung: str = "best"
    """Where on the ladder of cheaper ways this stands (cascade/engine/ladder.py)."""
    arm: Arm = ""
    """Which side of a preset's rollout the call is on; empty for one model asked by name."""
    is_measured: bool = False
    """Is the preset on trial beside its baseline? Then the answer that is served gets a score in any case."""
    shadow: "CascadePlan | None" = None
    """What is drafted and judged beside this plan without being served, as a run of its own."""

    @property
    def max_cost_nusd(self) -> int:
        return sum(step.bound_nusd for step in self.steps)

    @property
    def draft_legs(self) -> range:
        """The first answer step and its retries."""
        first = next(leg for leg, step in enumerate(self.steps) if step.kind == "answer")
        end = next((leg for leg, step in enumerate(self.steps) if leg > first and not step.is_retry), len(self.steps))
        return range(first, end)

    @property
    def unpriced_models(self) -> tuple[str, ...]:
        return tuple(model.name for step in self.steps for model in step.candidates if model.price is None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What those who ask for this should soon change, in words: models that it may ask and that retire."""
        return tuple(dict.fromkeys(model.retirement_notice for step in self.steps for model in step.candidates if model.retirement_notice))

    @property
    def quarantined_models(self) -> tuple[str, ...]:
        return tuple(model.name for step in self.steps for model in step.candidates if model.is_quarantined)


class Attempt(Struct, frozen=True, kw_only=True):
    """One call to a provider and how it must be booked."""

    model: ModelConfig
    charge: Charge
    usage: Usage | None = None
    """Reported by the provider, or our own upper count where `charge` is "estimated"."""
    unverified: bool = False
    error: str | None = None
    error_code: str | None = None
    provider_request_id: str | None = None
    response_model: str = ""
    """The model's name as the provider echoed it."""
    started_ms: float = 0.0
    """Since the execution of the run began."""
    latency_ms: float = 0.0


class StepOutcome(Struct, frozen=True, kw_only=True):
    """What one executed step came to."""

    leg: int
    name: str
    kind: StepKind
    status: Literal["accepted", "rejected", "failed"]
    attempts: tuple[Attempt, ...]
    latency_ms: float
    first_token_ms: float | None = None
    validation: ValidationResult | None = None
    reason: str = ""

    @property
    def model(self) -> ModelConfig:
        return self.attempts[-1].model


class CascadeResult(Struct, frozen=True, kw_only=True):
    """The outcome of a run. Exactly one of `completion` and `error` is set; the steps are there in both cases, to be booked."""

    plan: CascadePlan
    steps: tuple[StepOutcome, ...]
    completion: Completion | None = None
    served_by: ModelConfig | None = None
    served_leg: int | None = None
    streamed_live: bool = False
    degraded: str | None = None
    error: CascadeError | None = None
    score: float | None = None
    """How good the served answer is held to be, 0 to 1; None where nobody judged it."""

    @property
    def draft_accepted(self) -> bool | None:
        """Was the first model's answer good enough? None when it was not judged."""
        answers = [step for step in self.steps if step.kind == "answer"]
        if not answers or self.plan.steps[answers[0].leg].validator is None:
            return None
        return self.served_leg in self.plan.draft_legs
