"""Does the final answer follow from the working?"""

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.final_answer import numbers_in
from cascade.engine.values import Check

__all__ = ["check_contradiction"]


def check_contradiction(draft: Draft) -> Check:
    """Fail a final answer that differs from the working's last sum, and suspect one that stands nowhere in the working.

    Says nothing when no final number is marked or the working has fewer than two numbers.
    Worked number: the working ends "36 + 12 = 48", the field "answer" says 84, and 84 stands nowhere in the working: 0.1.
    """
    final, working = draft.final
    if final is None or len(working) < 20:
        return Check(name="contradiction", score=1.0)
    numbers = numbers_in(working)
    if len(numbers) < 2 or any(abs(abs(final) - number) <= 0.006 * max(1.0, number) for number in numbers):
        return Check(name="contradiction", score=1.0)
    if any(abs(final - factor * number) <= 0.006 * max(1.0, abs(final)) for number in numbers[-3:] for factor in (100, 0.01, 1000, 60)):
        return Check(name="contradiction", score=0.8)  # the same quantity in cents, per cent or minutes
    return Check(name="contradiction", score=0.1, reason=f"The final answer {final:g} does not stand in the working")
