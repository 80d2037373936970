"""Does the draft go round in circles?"""

from collections import Counter

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

LOOP_CHARS = 40
LOOP_TIMES = 5
MIN_LINES = 6
MIN_WORDS = 40
MIN_DISTINCT = 0.18
_PASSED = Check(name="repetition", score=1.0)


def check_repetition(draft: Draft) -> Check:
    """Fail a draft that ends in a loop or says the same line or word over and over.

    A loop: its last 40 characters stand in it five times. Lines: fewer than half of six or more prose lines are distinct. Words: fewer
    than 18 % are distinct in 40 to 400 words. Code and tables repeat by nature, so a line counts only from 20 characters on.
    """
    text = draft.stripped
    tail = text[-LOOP_CHARS:]
    if len(text) >= LOOP_CHARS * LOOP_TIMES and any(map(str.isalnum, tail)) and text.count(tail) >= LOOP_TIMES:
        return Check(name="repetition", score=0.0, reason=f"The draft ends in a loop (\u201c\u2026{tail.strip()[-30:]}\u201d)", fatal=True)
    lines = [line for line in map(str.strip, text.split("\n")) if len(line) >= 20]
    if len(lines) >= MIN_LINES:
        distinct = len(set(lines)) / len(lines)
        if distinct < 0.5:
            line, times = Counter(lines).most_common(1)[0]
            reason = f"The draft says the same line {times} times (\u201c{line[:40]}\u201d)"
            return Check(name="repetition", score=distinct / 2, reason=reason)
    count = len(draft.words)
    if MIN_WORDS <= count <= 400 and len(draft.word_set) / count < MIN_DISTINCT and not draft.code_blocks:
        return Check(name="repetition", score=0.1, reason=f"The draft uses only {len(draft.word_set)} different words in {count}")
    return _PASSED
