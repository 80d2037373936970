"""Finds the final answer of a worked solution."""

import re

__all__ = ["final_number", "numbers_in"]

MAX_NUMBERS = 300
_MARKS = ('"answer"', "####", "\\boxed{", "answer is", "Answer:", "answer:", "Answer is")
_AFTER_MARK = re.compile(r"[\s:\"'*$\u20ac\u00a3\\({=]{0,12}(-?[\d.,]{1,24})")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def _as_float(text: str) -> float | None:
    try:
        return float(text.replace(",", "").rstrip(".") if "," in text or text[-1:] == "." else text)
    except ValueError:
        return None


def numbers_in(text: str) -> list[float]:
    """Return the plain numbers of `text` in order, the last 300; thousands' commas are read past.

    Worked example: "$1,200 in 3.5 h" gives 1200, 3.5.
    """
    found = [_as_float(match) for match in _NUMBER.findall(text)[-MAX_NUMBERS:]]
    return [number for number in found if number is not None]


def final_number(text: str) -> tuple[float | None, str]:
    """Return the number marked as final answer, and the text before its mark; (None, text) when none is marked.

    Marks: an "answer" field, "####" (GSM8K), a LaTeX box, "the answer is". The last mark counts.
    Worked example: "3 + 4 = 7 #### 7" gives (7.0, "3 + 4 = 7 ").
    """
    position = max(text.rfind(mark) for mark in _MARKS)
    if position < 0:
        return None, text
    mark = next(mark for mark in _MARKS if text.startswith(mark, position))
    match = _AFTER_MARK.match(text, position + len(mark))
    return (_as_float(match[1]) if match else None), text[:position]
