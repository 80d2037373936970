"""Is there an answer at all?"""

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

_PLACEHOLDERS = frozenset({"", "null", "none", "n/a", "...", "undefined", "nan", "{}", "[]"})
_PASSED = Check(name="emptiness", score=1.0)


def check_emptiness(draft: Draft) -> Check:
    """Fail a draft without any visible text and without tool calls; tool calls alone are a fine answer.

    "[]" and "{}" pass when JSON was asked for. A text of fewer than two letters or digits fails unless it is the answer, as "7" is.
    """
    if draft.calls_tools:
        return _PASSED
    bare = draft.stripped.strip("\x00\u200b\ufeff \n")
    if not bare:
        return Check(name="emptiness", score=0.0, reason="The draft is empty", fatal=True)
    if bare.lower() in _PLACEHOLDERS and "response_format" not in draft.parameters:
        return Check(name="emptiness", score=0.0, reason=f"The draft says only {bare!r}", fatal=True)
    if not any(map(str.isalnum, bare[:2_000])):
        return Check(name="emptiness", score=0.0, reason="The draft has no letters or digits", fatal=True)
    return _PASSED
