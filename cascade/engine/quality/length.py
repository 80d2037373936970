"""Is the draft as long as the prompt asks?"""

import re
from typing import NamedTuple

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

__all__ = ["Demand", "check_length", "demand_in"]

ROOM = 0.15
"""By this much a draft may miss a number of words or characters; nobody counts so well."""
ROUGH_ROOM = 0.35
"""And by this much where the prompt says "about"."""
FAIL_AT = 1.0
"""Missing it by as much again as was asked scores 0."""
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "single": 1}
_SIGNS = frozenset({
    "word", "words", "sentence", "sentences", "paragraph", "paragraphs", "character", "characters", "bullet", "bullets",
})
_AT_LEAST = ("at least", "no fewer than", "no less than", "minimum of", "more than")
_AT_MOST = (
    "at most", "no more than", "not more than", "less than", "fewer than", "under", "below", "within", "up to", "maximum of", "or less", "or fewer",
)  # fmt: skip
_ABOUT = ("about", "around", "approximately", "roughly")
_EXACT = ("exactly", "in", "only", "write", "essay of", "article of", "story of", "summary of", "text of")
_DEMAND = re.compile(
    rf"\b(?P<how>{'|'.join((*_AT_MOST, *_AT_LEAST, *_ABOUT, *_EXACT))})\s(?:an?\s)?(?P<count>\d{{1,5}}|{'|'.join(_WORDS)})[\s-]"
    r"(?P<unit>word|sentence|paragraph|character|bullet)s?(?: points?)?\b(?P<after> or less| or fewer)?",
    re.IGNORECASE,
)
_OF_EACH = re.compile(r"\b(?:each|every|per)\b", re.IGNORECASE)
PART_CHARS = 40
"""A length that stands so near behind "each" is that of a part."""
_SENTENCE_END = re.compile(r"[.!?](?:[\"')\]]{0,2}\s|[\"')\]]{0,2}$)")
_BULLET = re.compile(r"^[ \t]{0,8}(?:[-*\u2022]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_PASSED = Check(name="length", score=1.0)


class Demand(NamedTuple):
    """What length a prompt asks for: "at most 50 words" is (0, 50, "word", False)."""

    least: int
    most: int | None
    unit: str
    roughly: bool


def demand_in(prompt: str) -> Demand | None:
    """Return the first length that `prompt` asks for, or None.

    Worked example: "Explain it in exactly two sentences" is (2, 2, "sentence", False); "about 100 words" is (100, 100, "word", True).
    """
    match = _DEMAND.search(prompt)
    if match is None or _OF_EACH.search(prompt, max(0, match.start() - PART_CHARS), match.end()):
        return None
    said, how, unit = match["count"].lower(), (match["after"] or match["how"]).strip().lower(), match["unit"].lower()
    count = _WORDS.get(said) or int(said)
    if how in _AT_MOST:
        return Demand(0, count, unit, roughly=False)
    if how in _AT_LEAST:
        return Demand(count, None, unit, roughly=False)
    return Demand(count, count, unit, roughly=how in _ABOUT)


def _count(draft: Draft, unit: str) -> int:
    text = draft.stripped
    if unit == "word":
        return len(text.split())
    if unit == "character":
        return len(text)
    if unit == "paragraph":
        return sum(bool(part.strip()) for part in text.split("\n\n"))
    return len(_BULLET.findall(text)) if unit == "bullet" else len(_SENTENCE_END.findall(text))


def check_length(draft: Draft) -> Check:
    """Score how far the draft misses the length that the prompt asks for: 1 within 15 % (35 % of "about"), 0 from twice as far.

    Says nothing (1.0) where no length is asked for, on tool calls and on code, and on texts longer than are read whole.
    Worked number: 120 words to "at most 60 words" are 100 % too many: 0.
    """
    if _SIGNS.isdisjoint(draft.prompt_word_set) or draft.calls_tools or draft.code_blocks or len(draft.text) < len(draft.whole_text):
        return _PASSED
    demand = demand_in(draft.prompt)
    if demand is None or not (asked := demand.most or demand.least):
        return _PASSED
    count = _count(draft, demand.unit)
    missed = max(demand.least - count, count - demand.most if demand.most is not None else 0, 0) / asked
    room = ROUGH_ROOM if demand.roughly else ROOM if demand.unit in ("word", "character") else 0.0
    if missed <= room:
        return _PASSED
    has = f"{count} {demand.unit}{'' if count == 1 else 's'}"
    return Check(name="length", score=max(0.0, 1 - missed / FAIL_AT), reason=f"The draft has {has} where the prompt asks for {_told(demand)}")


def _told(demand: Demand) -> str:
    if demand.most is None:
        return f"at least {demand.least}"
    return f"{'about ' if demand.roughly else ''}{demand.most}" if demand.least else f"at most {demand.most}"
