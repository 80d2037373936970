"""What a path must not lose: an answer that should be judged or checked is not served without."""

from collections.abc import Sequence

from msgspec import Struct

from cascade.engine.errors import CannotServe, CascadeError, ModelNotAllowed
from cascade.engine.plans import PlannedStep
from cascade.engine.strategies import CascadeStep
from cascade.engine.tiers import TierModelPolicy


class Dropped(Struct, frozen=True, kw_only=True):
    """What stands in the way of a model, or of a whole step, and whether that is a rule (of the tier, of a callback) or a want of ability."""

    step: str
    why: str
    is_denied: bool = False

    @property
    def text(self) -> str:
        return f"{self.step}: {self.why}"


def objection_to(
    steps: Sequence[PlannedStep], *, wanted: Sequence[CascadeStep], dropped: Sequence[Dropped], policy: TierModelPolicy
) -> CascadeError | None:
    """Return why this path may not be taken, or None. ModelNotAllowed where a rule is the reason, else CannotServe.

    A strategy's checks are part of its answer, so a path that lost one is refused. A draft that lost what it escalates to would be
    served unjudged, which is refused where the tier sets a least quality.
    """
    planned = {step.name for step in steps}
    first = next((number for number, step in enumerate(wanted) if step.kind == "answer" and step.name in planned), len(wanted))
    check = next((step for step in wanted[first:] if step.kind == "check" and step.name not in planned), None)
    if check is not None:
        return _refusal(f"the step {check.name!r} checks its answers and cannot be made", [check.name], dropped)
    stands_in = any(step.kind == "answer" and step.model.name == policy.fallback for step in steps)  # the policy's own way out
    lost = _lost_escalations(wanted, planned) if policy.min_quality and not stands_in else []
    if lost:
        return _refusal(f"the tier {policy.tier!r} wants drafts judged, and nothing is left to escalate to", lost, dropped)
    return None


def _lost_escalations(wanted: Sequence[CascadeStep], planned: set[str]) -> list[str]:
    """Return the steps that are missing after a draft that thereby became the last answer."""
    answers = [step for step in wanted if step.kind == "answer"]
    last = max(number for number, step in enumerate(answers) if step.name in planned)
    return [step.name for step in answers[last + 1 :]] if answers[last].validator else []


def _refusal(what: str, steps: Sequence[str], dropped: Sequence[Dropped]) -> CascadeError:
    reasons = [drop for drop in dropped if drop.step in steps]
    why = "; ".join(dict.fromkeys(drop.text for drop in reasons)) or f"{steps[0]}: the model that answers would be asked twice"
    message = f"This call cannot be answered as its preset says: {what} ({why}). "
    if any(drop.is_denied for drop in reasons):
        return ModelNotAllowed(f"{message}Ask for another preset, or have an operator widen the tier's policy.", param="model")
    return CannotServe(f"{message}Ask for another preset, or have an operator mark a model that can take this step.", param="model")
