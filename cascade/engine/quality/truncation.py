"""Was the draft cut off?"""

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

TINY_MAX_TOKENS = 64
"""A caller who caps the answer this low wants a stub (a probe, a classification) and gets what fits."""
SOFT_SCORE = 0.3

_LINE_END = frozenset(".!?:;)]}>\"'`*_|$%\u201d\u2019\u2026\u3002\uff01\uff1f-=~/\\")
_PASSED = Check(name="truncation", score=1.0)


def _asked_for_a_stub(draft: Draft) -> bool:
    caps = (draft.parameters.get("max_tokens"), draft.parameters.get("max_completion_tokens"))
    return any(isinstance(cap, int) and 0 < cap <= TINY_MAX_TOKENS for cap in caps)


def _stops_midway(draft: Draft) -> str:
    """Say in words how the text stops in the middle of something, or ""."""
    text = draft.stripped
    if text.count("```") % 2:
        return "a code fence is left open"
    tail = text[-400:]
    if len(draft.words) >= 12 and tail.count("<<") > tail.count(">>"):
        return "a calculation is left open"
    last_line = tail.rsplit("\n", 1)[-1].strip()
    if last_line.endswith((",", " and", " or", " the", " a", " of", " to", " is", " =", "(", "+", "*")):
        return "the last sentence stops in the middle"
    prose = len(last_line.split()) >= 8 and not last_line.startswith(("-", "*", "#", "|", "\u2022")) and last_line[-1] not in _LINE_END
    if prose and last_line[-1].isascii() and ". " in text:
        return "the last sentence has no end"
    return ""


def check_truncation(draft: Draft) -> Check:
    """Fail a draft that its provider cut (finish_reason "length") or filtered; suspect one that stops in the middle.

    Not when the caller's own `max_tokens` is at most 64: then a cut answer is what was asked for.
    """
    reason = draft.completion.finish_reason
    if reason == "content_filter":
        return Check(name="truncation", score=0.0, reason="The provider's content filter cut the draft", fatal=True)
    if _asked_for_a_stub(draft):
        return _PASSED
    if reason == "length":
        return Check(name="truncation", score=0.0, reason="The draft is cut off (finish_reason length)", fatal=True)
    midway = "" if draft.calls_tools else _stops_midway(draft)
    if midway:
        return Check(name="truncation", score=SOFT_SCORE, reason=f"The draft seems cut off: {midway}")
    return _PASSED
