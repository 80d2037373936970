"""What else tells good drafts from bad ones: plain measurements of prompt and draft, by the kind of answer.

They are no faults and have no words for a person; `combine.py` weighs them beside the checks' scores.
"""

from collections.abc import Mapping
from math import log1p
from typing import Literal

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.final_answer import numbers_in

__all__ = ["Kind", "evidence_of", "kind_of"]

Kind = Literal["worked", "code", "prose"]
"""A solution with sums, a program, or text."""

_HARD_CODE_WORDS = frozenset({
    "nth", "maximum", "minimum", "longest", "shortest", "subsequence", "smallest", "largest", "count", "ways", "matrix", "array", "dynamic",
    "bit", "bits", "prime", "product", "path", "tree", "possible", "sum",
})
_COMPARING_WORDS = frozenset({
    "than", "more", "less", "fewer", "older", "younger", "twice", "times", "half", "percent", "remaining", "rest", "each", "if",
})


def kind_of(draft: Draft) -> Kind:
    """Return the kind of answer: code when it has a program, worked when the question is of quantities, else prose."""
    if (draft.code_blocks and draft.code_blocks[0].language != "json") or "def " in draft.text[:400]:
        return "code"
    if draft.domain == "math" or draft.sums or draft.final[0] is not None:
        return "worked"
    return "code" if draft.domain == "code" and draft.text.count("\n") > 2 and ("):" in draft.text or ");" in draft.text) else "prose"


def evidence_of(draft: Draft, *, kind: Kind) -> Mapping[str, float]:
    """Return the measurements for one kind of answer by name: counts, logarithms of counts (natural, of 1 + count) and 0/1 flags."""
    return {"worked": _worked, "code": _code, "prose": _prose}[kind](draft)


def _worked(draft: Draft) -> dict[str, float]:
    final, _ = draft.final
    asked, used = set(numbers_in(draft.prompt)), set(numbers_in(draft.text))
    counts = "how many" in draft.prompt.lower()
    return {
        "log draft words": log1p(len(draft.words)),
        "log prompt words": log1p(len(draft.prompt_words)),
        "sums": min(len(draft.sums), 10),
        "last sum is the answer": float(final is not None and bool(draft.sums) and abs(draft.sums[-1].claimed - final) < 1e-6),
        "no final answer": float(final is None),
        "count not whole": float(final is not None and counts and final != int(final)),
        "more than cents": float(final is not None and abs(final * 100 - round(final * 100)) > 1e-6),
        "quantity negative": float(final is not None and final < 0 and "how " in draft.prompt.lower()),
        "numbers left unused": min(len(asked - used), 4),
        "log new numbers": log1p(len(used - asked)),
        "comparing words": len(draft.prompt_word_set & _COMPARING_WORDS),
    }


def _code_of(draft: Draft) -> str:
    """Return the first program of the draft: its first fence, or what follows the first definition."""
    if draft.code_blocks:
        return draft.code_blocks[0].source
    start = draft.text.find("def ")
    return draft.text[max(start, 0) :]


def _code(draft: Draft) -> dict[str, float]:
    source = _code_of(draft)
    lines = [line for line in source.split("\n") if line.strip()]
    return {
        "log draft words": log1p(len(draft.words)),
        "log code characters": log1p(len(source)),
        "log words before the code": log1p(max(draft.text.find("```"), 0)),
        "longest line": min(max(map(len, lines), default=0), 200) / 80,
        "loops": min(source.count("for ") + source.count("while "), 6),
        "no definition": float("def " not in source and "function" not in source and "class " not in source),
        "lambda": float("lambda" in source),
        "prints": float("print" in source),
        "docstring": float('"""' in source),
        "fenced": float(bool(draft.code_blocks)),
        "hard words": len(draft.prompt_word_set & _HARD_CODE_WORDS),
    }


def _prose(draft: Draft) -> dict[str, float]:
    drafted, asked = log1p(len(draft.words)), log1p(len(draft.prompt_words))
    return {
        "log draft words": drafted,
        "log prompt words": asked,
        "log ratio of words": drafted - asked,
        "log paragraphs": log1p(draft.text.count("\n\n")),
        "share of distinct words": len(draft.word_set) / max(1, len(draft.words)),
        "mean characters per word": min(len(draft.text) / max(1, len(draft.words)), 12),
        "code in it": float(bool(draft.code_blocks)),
        "asks back": float("?" in draft.text[-80:]),
        "however, additionally": float(not draft.word_set.isdisjoint(("however", "additionally"))),
    }
