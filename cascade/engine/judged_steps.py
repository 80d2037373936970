"""Which steps of a path are judged, and how often a model is asked again when its draft is rejected."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cascade.engine.plans import PlannedStep


def last_answer(steps: Sequence[PlannedStep]) -> int:
    return max(number for number, step in enumerate(steps) if step.kind == "answer")


def with_last_step_unjudged(steps: Sequence[PlannedStep]) -> tuple[PlannedStep, ...]:
    """Nothing is left to escalate to after the last answer step, so it is not judged and its answer is served, unless it must hold anyway."""
    last = last_answer(steps)
    return tuple(
        msgspec.structs.replace(step, validator=None, threshold=None) if number == last and not step.is_always_judged else step
        for number, step in enumerate(steps)
    )


def with_retries(
    steps: Sequence[PlannedStep], *, parameters: Mapping[str, Any], most_steps: int | None
) -> tuple[tuple[PlannedStep, ...], list[str]]:
    """Return the steps with those that ask a model once more where its draft is rejected, and in words what was left out of them.

    The last answer step has nothing to try again for. The tier's most steps hold for retries too; checks and escalations come first.
    Worked number: a draft with two retries and an escalation are four steps, three where the tier may take three.
    """
    last = last_answer(steps)
    wanted = sum(step.retries_on_quality for step in steps[:last])
    if not wanted:
        return tuple(steps), []
    if parameters.get("temperature") == 0 or parameters.get("seed") is not None:
        return tuple(steps), ["retries on quality: with this temperature or seed the model would say the same again"]
    room = wanted if most_steps is None else min(wanted, most_steps - len(steps))
    left_out = [f"retries on quality: the tier may take {most_steps} steps"] if room < wanted else []
    found: list[PlannedStep] = []
    for number, step in enumerate(steps):
        again = min(step.retries_on_quality, room) if number < last else 0
        room -= again
        found += [step, *(_again(step, number=try_number) for try_number in range(2, again + 2))]
    return tuple(found), left_out


def _again(step: PlannedStep, *, number: int) -> PlannedStep:
    return msgspec.structs.replace(step, name=f"{step.name[:56]}_try_{number}", is_retry=True)
