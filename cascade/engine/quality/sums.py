"""Finds the sums in a worked solution ("3 + 4 = 8") and recomputes them."""

import re
from typing import NamedTuple

__all__ = ["Sum", "sums_in"]

MAX_SUMS = 24
MAX_SIGNS = 60
LEFT_CHARS, RIGHT_CHARS = 72, 28
TOLERANCE = 0.006
"""Relative; with half a unit of the last digit shown. Writers round: 1/3 = 0.33 is right."""

_RIGHT = re.compile(r"\s{0,2}[$\u20ac\u00a3]?\s?(-?)[$\u20ac\u00a3]?(\d{1,15}(?:,\d{3}){0,5}(?:\.\d{1,12})?)")
_BOUNDARY = re.compile(r"[=;?!\n]|:(?!\d)|\.\s|<<|,\s|\u2248|\s(?:is|are|be|equals)\s")
_NOT_A_SUM = re.compile(r"%|\d-?[a-wyzA-Z]|cents|\u00a2|:")
"""Per cents, unknowns ("4S + 2 = 10"), ordinals, mixed currencies and times of day."""
_GOES_ON = re.compile(r"\s{0,2}[A-Za-z]{0,12}\s{0,2}[+*/x\u00d7\u00f7%^(\\]|[A-Za-z]|\s{0,2}[A-Za-z]{0,12}\s{1,2}[-\u2212]\s")
"""What follows a right side that is itself a sum or has an unknown."""
_UNITS = re.compile(
    r"[$\u20ac\u00a3\\]|(?<=\d),(?=\d{3})|(?<![a-zA-Z])[a-wyzA-Z\u2019'][a-zA-Z\u2019']*(?:/[a-zA-Z]+)?|x[a-zA-Z]+|/\s?[a-zA-Z]+"
)
_LATEX_TIMES = re.compile(r"\\(?:times|cdot)")
_PLAIN_SIGNS = str.maketrans("\u00d7\u00f7x\u2212", "*/*-")
_PART = re.compile(r"\d{1,15}(?:\.\d{1,12})?|\.\d{1,12}|[-+*/()]")


class Sum(NamedTuple):
    """One equation found in a text: what stands left, the result that it claims, and whether that is right."""

    left: str
    claimed: float
    right: bool


_RANK = {"(": -1, ")": 0, "+": 1, "-": 1, "*": 2, "/": 2}


def _value(parts: list[str]) -> float | None:
    """Return the value of a sum in usual precedence, or None when it is none: the shunting-yard with two stacks (Dijkstra, 1961)."""
    numbers: list[float] = []
    signs: list[str] = []
    needs_number = True
    for part in ("(", *parts, ")"):
        is_operand = part not in _RANK or part == "("
        if is_operand != needs_number:
            return None
        if part == "(":
            signs.append(part)
        elif is_operand:
            numbers.append(float(part))
            needs_number = False
        elif not _reduce(numbers, signs, down_to=_RANK[part]):
            return None
        elif part == ")":
            signs.pop()
        else:
            signs.append(part)
            needs_number = True
    return numbers[0] if not signs else None


def _reduce(numbers: list[float], signs: list[str], *, down_to: int) -> bool:
    """Carry out the waiting signs that bind at least as strongly as `down_to`; False without an open bracket or on division by zero."""
    while signs and _RANK[signs[-1]] >= down_to:
        right, left, sign = numbers.pop(), numbers.pop(), signs.pop()
        if sign == "/" and right == 0:
            return False
        numbers.append(left + right if sign == "+" else left - right if sign == "-" else left * right if sign == "*" else left / right)
    return bool(signs)


def _left_of(text: str) -> str:
    """Return what could be a sum at the end of `text`: from the last boundary on, without units and currency."""
    start = 0
    for match in _BOUNDARY.finditer(text):
        start = match.end()
    if _NOT_A_SUM.search(text, start):
        return ""
    plain = _UNITS.sub("", _LATEX_TIMES.sub("*", text[start:]))
    return " ".join(plain.translate(_PLAIN_SIGNS).split())


def _sum_at(text: str, position: int) -> Sum | None:
    right = _RIGHT.match(text, position + 1, position + 1 + RIGHT_CHARS)
    if not right or _GOES_ON.match(text, right.end()):
        return None
    left = _left_of(text[max(0, position - LEFT_CHARS) : position])
    parts = _PART.findall(left)
    if len(parts) < 3 or "".join(parts) != left.replace(" ", ""):
        return None
    value = _value(parts)
    if value is None:
        return None
    shown = right[2].replace(",", "")
    claimed = float(shown) * (-1 if right[1] else 1)
    return Sum(left, claimed, _agrees(value, claimed, shown=shown, divides="/" in left))


def _agrees(value: float, claimed: float, *, shown: str, divides: bool) -> bool:
    """Is `claimed` the value as people round it? A quotient may be rounded to a whole number either way."""
    _, _, decimals = shown.partition(".")
    slack = 1e-9
    if decimals or not float(value).is_integer():
        slack = 0.51 * 10.0 ** -len(decimals)
    if divides and not decimals:
        slack = 0.99
    return abs(value - claimed) <= max(slack, TOLERANCE * abs(value) if decimals else 0.0)


def sums_in(text: str) -> list[Sum]:
    """Return the first 24 sums of numbers found before the first 60 equals signs of `text`, each recomputed.

    Units and currency are read past: "9 eggs * $2/egg = $18" is 9 * 2. Each equals sign looks at 72 characters before and 28 after
    itself, so the time is linear.
    """
    found: list[Sum] = []
    position = text.find("=")
    for _ in range(MAX_SIGNS):
        if position < 0 or len(found) == MAX_SUMS:
            break
        if (result := _sum_at(text, position)) is not None:
            found.append(result)
        position = text.find("=", position + 1)
    return found
