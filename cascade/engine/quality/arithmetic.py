"""Do the sums in a worked solution come out?"""

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

__all__ = ["check_arithmetic"]
_PASSED = Check(name="arithmetic", score=1.0)


def check_arithmetic(draft: Draft) -> Check:
    """Score the recomputed sums: 1 when all come out, 0.2 with one wrong, 0 with more.

    Worked number: "Half of 30 is 15, and 15 + 20 = 45." has one sum, 15 + 20, which is 35: 0.2.
    """
    wrong = [found for found in draft.sums if not found.right]
    if not wrong:
        return _PASSED
    first = wrong[0]
    return Check(name="arithmetic", score=0.2 if len(wrong) == 1 else 0.0, reason=f"The sum {first.left} = {first.claimed:g} is wrong")
