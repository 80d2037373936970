"""Measurements of a worked solution: does it use what was given, and is its answer one that such a question can have?"""

import re
from math import log1p

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.final_answer import numbers_in

__all__ = ["measure_solution"]

MAX_UNUSED = 4
_NUMBER_WORDS = {
    "zero": 0.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0,
    "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "dozen": 12.0, "thirteen": 13.0, "fourteen": 14.0, "fifteen": 15.0, "sixteen": 16.0,
    "seventeen": 17.0, "eighteen": 18.0, "nineteen": 19.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0,
    "triple": 3.0, "thrice": 3.0,
}  # fmt: skip
_COUNTED_WORDS = frozenset(_NUMBER_WORDS) | {"twice", "half", "double", "quarter", "third"}
_HARDLY_WRITTEN = frozenset({0.25, 0.5, 1.0, 2.0})
"""Halves and pairs are often worked in without being written, so they do not count as left out."""
_SEQUENCE = frozenset({"until", "after", "then", "before", "again", "later", "first", "finally", "next"})
_SHARING = frozenset({"same", "equal", "equally", "split", "divided", "shared", "share", "between", "among"})
_TIMES = re.compile(r"\btimes (?:as|more|the|less)|\btwice\b|\bdouble|\btriple|\bthrice\b")
_ASKS_FOR_THE_START = re.compile(r"\b(?:start|begin|beginning|original|originally|initial|initially|before)\b")
_ANSWER_IN_WORDS = re.compile(r'"answer":\s{0,3}"[^"a-zA-Z]{0,40}[a-zA-Z]{3}')


def measure_solution(draft: Draft) -> dict[str, float]:
    """Return the measurements by name.

    Worked example: to "After 3 days she has 12 left of twice as many", the answer 6.5 is marked "answer not whole", "after" is one word of
    sequence and "twice" one comparison by factor.
    """
    final, working = draft.final
    prompt, counted = draft.prompt.lower(), _COUNTED_WORDS.intersection(draft.prompt_words)
    given = len(draft.prompt_numbers) + len(counted)
    unused = _unused(draft, working, counted)
    return {
        "log draft words": log1p(len(draft.words)),
        "log steps per given number": log1p(len(draft.sums)) - log1p(given),
        "last sum is the answer": float(final is not None and bool(draft.sums) and abs(draft.sums[-1].claimed - final) < 1e-6),
        "no final answer": float(final is None),
        "answer in words": float(_ANSWER_IN_WORDS.search(draft.text) is not None),
        "answer not whole": float(final is not None and final != int(final)),
        "answer is 0": float(final == 0),
        "answer negative": float(final is not None and final < 0 and "how " in prompt),
        "numbers left unused": unused,
        "divisions": min(draft.text.count(" / "), 6),
        "rounds": float(not draft.word_set.isdisjoint(("approximately", "about", "round", "rounding", "rounded"))),
        "per cents asked": min(prompt.count("%") + prompt.count("percent"), 3),
        "words of sequence": len(draft.prompt_word_set & _SEQUENCE),
        "words of sharing": len(draft.prompt_word_set & _SHARING),
        "comparisons by factor": min(len(_TIMES.findall(prompt)), 4),
        "asks for the start": float(_ASKS_FOR_THE_START.search(_last_sentence(prompt)) is not None),
    }


def _unused(draft: Draft, working: str, counted: frozenset[str]) -> int:
    """Return how many numbers of the prompt the working never writes, at most four."""
    given = {*draft.prompt_numbers, *(_NUMBER_WORDS[word] for word in counted if word in _NUMBER_WORDS)} - _HARDLY_WRITTEN
    return min(len(given.difference(numbers_in(working))), MAX_UNUSED)


def _last_sentence(prompt: str) -> str:
    """Return what stands between the last question mark and the full stop before it."""
    end = prompt.rfind("?")
    return prompt[prompt.rfind(". ", 0, end) + 1 : end] if end > 0 else ""
