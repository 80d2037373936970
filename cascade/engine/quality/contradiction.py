"""Does the final answer follow from the working?"""

import re

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.final_answer import numbers_in
from cascade.engine.values import Check

__all__ = ["check_contradiction"]

MIN_WORKING_CHARS = 20
CONCLUSION_CHARS = 120
ROUNDING = 0.006
_CONCLUDES = re.compile(r"(?:=|\b(?:is|are|of|has|have|total)\b)\s{0,2}[$\u20ac\u00a3]?-?\d")
_OTHER_UNITS = (100, 0.01, 1000, 60)
"""The same quantity in cents, per cent, thousands or minutes is no contradiction."""
_PASSED = Check(name="contradiction", score=1.0)


def _same(left: float, right: float) -> bool:
    return abs(left - right) <= ROUNDING * max(1.0, abs(right))


def check_contradiction(draft: Draft) -> Check:
    """Fail a marked final answer whose working concludes with other numbers; suspect one whose working never gets there.

    Says nothing when no final number is marked or the working has fewer than two numbers.
    Worked number: the working ends "36 + 12 = 48 animals", the field "answer" says 84, and 84 stands nowhere in the working: 0.1.
    """
    final, working = draft.final
    numbers = numbers_in(working) if final is not None and len(working) >= MIN_WORKING_CHARS else []
    if final is None or len(numbers) < 2 or any(_same(abs(final), number) for number in numbers):
        return _PASSED
    if any(_same(final, factor * number) for number in numbers[-3:] for factor in _OTHER_UNITS):
        return Check(name="contradiction", score=0.8)
    if _CONCLUDES.search(working[-CONCLUSION_CHARS:]):
        return Check(name="contradiction", score=0.1, reason=f"The final answer {final:g} contradicts the working")
    return Check(name="contradiction", score=0.6, reason=f"The working never reaches the final answer {final:g}")
