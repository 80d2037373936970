"""How much would the strong model gain on this prompt? A score to order prompts by, before there is any draft."""

import re
from collections.abc import Mapping
from itertools import combinations
from math import log1p
from typing import Literal

from bench.difficulty_weights import WEIGHTS
from cascade.engine.domains import words_of

__all__ = ["Form", "form_of", "measure", "strong_model_gain"]

Form = Literal["options", "quantities", "open"]
"""A question with answers to choose from, one with numbers to work with, any other."""

HEAD_CHARS = 4_000
MAX_OPTIONS = 6
_OPTION = re.compile(r"^[ \t]{0,4}\(?[A-F][.):][ \t]", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d,]{0,15}(?:\.\d{1,9})?")
_ASKS_FOR_A_QUANTITY = re.compile(r"\bhow (?:many|much|long|far|old|fast|tall)\b|\b(?:calculate|total|average)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]")
_TIMES = re.compile(r"\btimes (?:as|more)|\btwice\b|\bdouble|\btriple|\bthrice\b")
_FRACTIONS = frozenset({"half", "third", "thirds", "quarter", "quarters", "fourth", "fifth"})
_LEFT = frozenset({"left", "remaining", "remainder", "rest"})
_MONEY_WORDS = frozenset({"profit", "discount", "interest", "tax", "raise", "bonus"})
_LOGIC = frozenset({
    "prove", "derive", "solve", "deduce", "logic", "puzzle", "riddle", "true", "false", "probability", "remainder", "equation", "integer",
    "algorithm", "complexity", "recursive", "optimize", "debug", "implement", "program", "function", "calculate", "compute", "determine",
})
_INVENTING = frozenset({
    "story", "poem", "essay", "email", "blog", "letter", "pretend", "imagine", "roleplay", "role", "persona", "character", "headline",
    "creative", "describe", "haiku", "song", "speech", "rewrite", "tweet",
})


def form_of(text: str, *, domain: str) -> Form:
    """Return the form of a prompt. Worked example: three lines that begin with "A.", "B." and "C." are options."""
    head = text[:HEAD_CHARS]
    if len(_OPTION.findall(head)) > 1:
        return "options"
    asks = _ASKS_FOR_A_QUANTITY.search(head) is not None
    return "quantities" if asks and (domain == "math" or len(_NUMBER.findall(head)) > 1) else "open"


def strong_model_gain(text: str, *, domain: str, weights: Mapping[str, Mapping[str, float]] = WEIGHTS) -> float:
    """Return how much better than a draft model a strong one is expected to answer `text`, in quality from 0 to 1.

    It orders prompts of one form; between forms, and for any one prompt, it says little: even the prompts on which other models fail tell
    little more (docs/algorithms/quality.md). Reads no more than 4,000 characters.
    Worked number: an open question of general knowledge has 0.1, the intercept; the same in domain math 0.25 more.
    """
    form = form_of(text, domain=domain)
    own = weights[form]
    return own["intercept"] + sum(own[name] * value for name, value in measure(text, form=form, domain=domain).items())


def measure(text: str, *, form: Form, domain: str) -> Mapping[str, float]:
    """Return the measurements of a prompt of this form by name: counts, logarithms of counts (natural, of 1 + count) and 0/1 flags."""
    text = text[:HEAD_CHARS]
    if form == "options":
        return _options(text)
    return _quantities(text) if form == "quantities" else _open(text, domain)


def _options(text: str) -> dict[str, float]:
    starts = [match.start() for match in _OPTION.finditer(text)][:MAX_OPTIONS]
    bodies = [text[start:end].lower().split()[1:] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    sets = [frozenset(body) for body in bodies]
    shared = [len(one & other) / max(1, min(len(one), len(other))) for one, other in combinations(sets, 2)]
    words = words_of(text)
    return {
        "log words": log1p(len(words)),
        "log words an option": log1p(sum(map(len, bodies)) / len(bodies)),
        "options alike": sum(shared) / max(1, len(shared)),
        "long words": sum(len(word) > 9 for word in words) / max(1, len(words)),
        "names": log1p(len(_NAME.findall(text[: starts[0]]))),
    }


def _quantities(text: str) -> dict[str, float]:
    lower, words = text.lower(), words_of(text)
    distinct, numbers = set(words), _NUMBER.findall(text)
    return {
        "log words": log1p(len(words)),
        "log distinct words": log1p(len(distinct)),
        "log numbers": log1p(len(numbers)),
        "comparisons by factor": min(len(_TIMES.findall(lower)), 4),
        "comparisons": min(words.count("than"), 4),
        "decimals": float(any("." in number for number in numbers)),
        "per cents": min(text.count("%"), 3),
        "fractions": float(not distinct.isdisjoint(_FRACTIONS)),
        "what is left": float(not distinct.isdisjoint(_LEFT)),
        "profit and interest": len(distinct & _MONEY_WORDS),
    }


def _open(text: str, domain: str) -> dict[str, float]:
    words = set(words_of(text))
    return {
        "math": float(domain == "math"),
        "code": float(domain == "code"),
        "data": float(domain == "data"),
        "words of logic": min(len(words & _LOGIC), 3),
        "inventing": float(not words.isdisjoint(_INVENTING)),
        "numbers": min(len(_NUMBER.findall(text)), 6),
        "log words": log1p(len(words)),
    }
