"""What else tells good drafts from bad ones: plain measurements of prompt and draft, by the kind of answer.

They are no faults and have no words for a person; `combine.py` weighs them beside the checks' scores.
"""

from collections.abc import Mapping
from math import log1p
from typing import Literal

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.program import program_of, shape_of
from cascade.engine.quality.solution import measure_solution

__all__ = ["Kind", "evidence_of", "kind_of"]

Kind = Literal["worked", "code", "prose"]
"""A solution with sums, a program, or text."""

_HARD_CODE_WORDS = frozenset({
    "nth", "maximum", "minimum", "longest", "shortest", "subsequence", "smallest", "largest", "count", "ways", "matrix", "array", "dynamic",
    "bit", "bits", "prime", "product", "path", "tree", "possible", "sum",
})
_NAMES_OF_FENCES: dict[str, frozenset[str]] = {
    "cpp": frozenset({"c++", "cpp"}), "c": frozenset({"c", "c++"}), "java": frozenset({"java"}), "csharp": frozenset({"c#", "csharp"}),
    "javascript": frozenset({"javascript", "js", "node", "react"}), "js": frozenset({"javascript", "js", "node", "react"}),
    "go": frozenset({"go", "golang"}), "rust": frozenset({"rust"}), "php": frozenset({"php"}), "ruby": frozenset({"ruby"}),
}
_UNABLE = ("apologize", "apologise", "unfortunately")


def kind_of(draft: Draft) -> Kind:
    """Return the kind of answer: code when it has a program, worked when the question is of quantities, else prose."""
    if (draft.code_blocks and draft.code_blocks[0].language != "json") or "def " in draft.text[:400]:
        return "code"
    if draft.sums or draft.final[0] is not None or (draft.domain == "math" and len(draft.prompt_numbers) > 1):
        return "worked"
    return "code" if draft.domain == "code" and draft.text.count("\n") > 2 and ("):" in draft.text or ");" in draft.text) else "prose"


def evidence_of(draft: Draft, *, kind: Kind) -> Mapping[str, float]:
    """Return the measurements for one kind of answer by name: counts, logarithms of counts (natural, of 1 + count) and 0/1 flags."""
    return {"worked": measure_solution, "code": _code, "prose": _prose}[kind](draft)


def _code(draft: Draft) -> dict[str, float]:
    source = program_of(draft)
    lines = [line for line in source.split("\n") if line.strip()]
    first = draft.code_blocks[0] if draft.code_blocks else None
    names = _NAMES_OF_FENCES.get(first.language) if first else None
    return {
        "log draft words": log1p(len(draft.words)),
        "longest line": min(max(map(len, lines), default=0), 200) / 80,
        "loops": min(source.count("for ") + source.count("while "), 6),
        "no definition": float("def " not in source and "function" not in source and "class " not in source),
        "lambda": float("lambda" in source),
        "docstring": float('"""' in source),
        "language not asked for": float(names is not None and names.isdisjoint(draft.prompt_word_set)),
        "hard words": len(draft.prompt_word_set & _HARD_CODE_WORDS),
        **shape_of(draft, source),
    }


def _prose(draft: Draft) -> dict[str, float]:
    drafted, asked = log1p(len(draft.words)), log1p(len(draft.prompt_words))
    sentences = 1 + sum(map(draft.text.count, (". ", ".\n", "? ", "! ")))
    return {
        "log draft words": drafted,
        "log prompt words": asked,
        "log ratio of words": drafted - asked,
        "log paragraphs": log1p(draft.text.count("\n\n")),
        "words a sentence": min(len(draft.words) / sentences, 60) / 20,
        "code in it": float(bool(draft.code_blocks)),
        "asks back": float("?" in draft.text[-80:]),
        "asks how": float("how" in draft.prompt_words[:2]),
        "however, additionally": float(not draft.word_set.isdisjoint(("however", "additionally"))),
        "says that it is unable": float(not draft.word_set.isdisjoint(_UNABLE)),
    }
