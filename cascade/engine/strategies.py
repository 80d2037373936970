"""Ordered steps from a cheap draft to an answer that holds, per domain."""

from typing import Literal

from msgspec import Struct

StepKind = Literal["answer", "check"]
ValidatorName = Literal["fast", "balanced", "strict"]


class CascadeStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a strategy.

    An answer step asks a model, and judges the answer where a later step could do better. A check step asks another model
    whether the accepted answer holds; "fail" sends the run to the next answer step.
    """

    name: str
    models: tuple[str, ...]
    """In order of preference: names of models, or "@draft", "@strong", "@checker" for what the tenant's catalog marks so.
    The first that may and can serve is asked, the next one when its provider fails."""
    kind: StepKind = "answer"
    validator: ValidatorName | None = None
    """Judges the draft of an answer step; None takes any answer that is not broken."""
    threshold: float | None = None
    """Least probability, 0 to 1, that the draft is acceptable; None takes the validator's own for domain and complexity."""
    retries_on_quality: int = 0
    """How often the model is asked again when its draft is rejected, before the next step. Each try is held, judged and booked like a step."""
    max_tokens: int | None = None
    timeout_s: float = 60.0
    instruction: str = ""
    """For a check step: what to look at."""


class DomainCascadeStrategy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The steps for one domain."""

    domain: str
    steps: tuple[CascadeStep, ...]


def draft(*, validator: ValidatorName = "balanced", threshold: float | None = None) -> CascadeStep:
    return CascadeStep(name="draft", models=("@draft",), validator=validator, threshold=threshold)


def escalate() -> CascadeStep:
    return CascadeStep(name="escalate", models=("@strong",), timeout_s=120.0)


FACT_CHECK = CascadeStep(
    name="fact_check", kind="check", models=("@checker", "@strong"), max_tokens=200, timeout_s=30.0,
    instruction="Is every statement of fact in the answer correct by the present state of medicine? Any wrong dose, interaction, "
    "contraindication or invented source fails.",
)
SAFETY_CHECK = CascadeStep(
    name="safety_check", kind="check", models=("@checker", "@strong"), max_tokens=200, timeout_s=30.0,
    instruction="Could following the answer harm the person who asked? It passes only if it warns of danger where there is some and "
    "sends emergencies to a doctor.",
)

GENERAL = DomainCascadeStrategy(domain="general", steps=(draft(), escalate()))
CODE = DomainCascadeStrategy(domain="code", steps=(draft(validator="strict"), escalate()))
MATH = DomainCascadeStrategy(domain="math", steps=(draft(), escalate()))
DATA = DomainCascadeStrategy(domain="data", steps=(draft(), escalate()))
LEGAL = DomainCascadeStrategy(domain="legal", steps=(draft(validator="strict"), escalate()))
MEDICAL = DomainCascadeStrategy(domain="medical", steps=(draft(validator="strict"), FACT_CHECK, escalate(), SAFETY_CHECK))
