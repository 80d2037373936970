"""How hard is a prompt? A handful of countable signs, summed as points and cut into five levels."""

import re
from bisect import bisect_right
from typing import get_args

from cascade.engine.domains import words_of
from cascade.engine.values import Complexity

__all__ = ["COMPLEXITIES", "assess_complexity", "complexity_points"]

COMPLEXITIES: tuple[Complexity, ...] = get_args(Complexity)
CUTS = (0.8, 2.4, 4.6, 7.5)
"""Points from which a prompt is simple, moderate, hard, expert."""
HEAD_CHARS, TAIL_CHARS = 3_000, 1_000
"""Only this much of a long prompt's start and end is read; its whole length still counts."""

_DOMAIN_POINTS = {"medical": 1.2, "legal": 1.2, "math": 0.8, "code": 0.6, "data": 0.4}

_EXPERT_WORDS = frozenset({
    "prove", "proof", "theorem", "derive", "derivation", "asymptotic", "concurrency", "distributed", "architecture", "cryptographic",
    "differential", "eigenvalue", "optimise", "optimize", "threat", "migrate", "migration", "scalable", "consensus", "bayesian",
    "pharmacokinetics", "contraindication", "contraindications", "jurisdiction", "jurisprudence", "precedent", "statutory",
})
_HARD_WORDS = frozenset({
    "analyse", "analyze", "compare", "contrast", "evaluate", "critique", "design", "implement", "refactor", "debug", "diagnose",
    "explain", "justify", "why", "synthesize", "tradeoff", "tradeoffs", "trade", "strategy", "plan", "simulate", "algorithm",
    "implications", "comprehensive", "detailed", "rigorous", "edge", "constraints", "algebra", "integral", "probability", "recursive",
})
_STEP_WORDS = frozenset({
    "if", "then", "after", "before", "each", "every", "unless", "except", "assuming", "given", "must", "should", "without", "exactly",
    "twice", "half", "percent", "remaining", "per", "than", "least", "most", "also", "additionally", "finally",
})
_DIGITS = "0123456789"
_NUMBER = re.compile(r"\d[\d.,]*")
_LIST_ITEM = re.compile(r"\n[ \t]{0,8}(?:[-*\u2022]|\d{1,2}[.)]) ")


def complexity_points(text: str, *, domain: str) -> dict[str, float]:
    """Return the points that each sign gives, for people to read; `assess_complexity` sums them.

    Worked number: "Prove that sqrt(2) is irrational." in math: domain 0.8, expert words 2.0 (prove), length 0.25, numbers 0.2.
    """
    read = text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    words = words_of(read)
    distinct = set(words)
    length = len(words) * max(1.0, len(text) / max(len(read), 1))
    return {
        "length": min(length / 30, 1.0) + min(length / 150, 1.5) + min(length / 1_000, 2.0),
        "domain": _DOMAIN_POINTS.get(domain, 0.0),
        "expert words": min(2.0 * len(distinct & _EXPERT_WORDS), 4.0),
        "hard words": min(0.8 * len(distinct & _HARD_WORDS), 2.4),
        "conditions and steps": min(0.3 * len(distinct & _STEP_WORDS), 1.8),
        "numbers": min(0.2 * _count(_NUMBER, read[:HEAD_CHARS]), 1.4) if any(map(read.__contains__, _DIGITS)) else 0.0,
        "questions": min(0.6 * max(read.count("?") - 1, 0), 1.8),
        "list of demands": min(0.4 * _count(_LIST_ITEM, read), 2.0) if "\n" in read else 0.0,
        "code given": 1.2 if "```" in read or "\ndef " in read or "();" in read else 0.0,
    }


def assess_complexity(text: str, *, domain: str) -> Complexity:
    """Return how hard `text` is to answer well: trivial, simple, moderate, hard or expert.

    `domain` is the detected domain; special fields start higher. Reads no more than 4,000 characters.
    Worked number: "What is the capital of France?" has 6 words, 0.25 points, trivial; "Prove that sqrt(2) is irrational." in math has
    3.25 points, moderate.
    """
    return COMPLEXITIES[bisect_right(CUTS, sum(complexity_points(text, domain=domain).values()))]


def _count(pattern: re.Pattern[str], text: str) -> int:
    return len(pattern.findall(text))
