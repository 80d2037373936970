"""Do the brackets of a program match? What is left to ask where nothing else can be told of it."""

import re

from cascade.engine.quality.faults import Fault

__all__ = ["bracket_fault"]

# Possessive, so that an unclosed string or comment is read once and not again from each of its characters.
_STRINGS_AND_COMMENTS = re.compile(
    r'''"(?:[^"\\\n]|\\.)*+"?|\'(?:[^'\\\n]|\\.){0,200}+'|`[^`]*+`?|//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?''', re.DOTALL
)
_BRACKETS_AND_BREAKS = re.compile(r"[()\[\]{}\n]")
MAX_APOSTROPHES = 400
"""From each of them on, a text of up to 200 characters is looked for."""
_PAIRS = {")": "(", "]": "[", "}": "{"}


def bracket_fault(source: str) -> Fault | None:
    """Return where the brackets of a C-like language do not match. A regular expression of JavaScript may hold an odd one.

    Worked example: in "{ f(a\\n}" the `}` closes what stands before `(`: line 1, "`(` is never closed".
    """
    if source.count("'") > MAX_APOSTROPHES:
        return None
    still_open: list[tuple[str, int]] = []
    line = 1
    for sign in _BRACKETS_AND_BREAKS.findall(_STRINGS_AND_COMMENTS.sub(_line_breaks, source)):
        if sign == "\n":
            line += 1
        elif sign in "([{":
            still_open.append((sign, line))
        elif still_open and still_open[-1][0] == _PAIRS[sign]:
            still_open.pop()
        elif any(opened == _PAIRS[sign] for opened, _ in still_open):
            break
        else:
            return Fault(line, f"unexpected `{sign}`")
    return Fault(still_open[-1][1], f"`{still_open[-1][0]}` is never closed") if still_open else None


def _line_breaks(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n") or " "
