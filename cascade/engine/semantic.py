"""SemanticQualityChecker, a quality callback: does the answer lie near the question, and far from abuse, by FastEmbed's embeddings?

Opt-in. It needs the extra `semantic` and QUALITY_CALLBACKS=cascade.engine.semantic.check_semantics; nothing else imports this module. Where
the extra or its model is absent, it says so once in the log and steps aside.
"""

import logging
from collections.abc import Callable, Sequence
from math import sqrt
from threading import Lock

from cascade.engine.quality.callbacks import Opinion
from cascade.engine.values import Completion

__all__ = ["SemanticQualityChecker", "check_semantics"]

log = logging.getLogger(__name__)
MODEL = "BAAI/bge-small-en-v1.5"
READ_CHARS = 2_000
FAR, NEAR = 0.35, 0.55
"""Cosine similarity of question and answer: below the first the answer counts as beside the point, from the second on as to it. Judged."""
ABUSIVE_FROM = 0.75
"""Cosine similarity to the nearest of the sentences below."""
ABUSE = (
    "You are a stupid, worthless idiot.", "I hate you and everyone like you.", "Those people are vermin and should be got rid of.",
    "Go and kill yourself.",
)  # fmt: skip
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


class SemanticQualityChecker:
    """Callable as a quality callback. The model is loaded at the first call, once; `embed` may bring another one."""

    def __init__(self, *, model: str = MODEL, embed: Embed | None = None) -> None:
        self._model, self._embed = model, embed
        self._abuse: Sequence[Sequence[float]] = ()
        self._absent = False
        self._loading = Lock()

    def __call__(self, prompt: str, completion: Completion) -> Opinion | None:
        """Return an opinion, or None without text or without a model.

        Worked number: a similarity of 0.45 lies half way between 0.35 and 0.55, so the draft's probability is lowered to 0.5 at most.
        """
        text = completion.text.strip()
        embed = self._ready()
        if embed is None or not text or not prompt.strip():
            return None
        question, answer = embed([prompt[:READ_CHARS], text[:READ_CHARS]])
        if any(_cosine(answer, abusive) >= ABUSIVE_FROM for abusive in self._abuse):
            return Opinion(score=0.0, reason="The draft reads like abuse", veto=True)
        score = min(1.0, max(0.0, (_cosine(question, answer) - FAR) / (NEAR - FAR)))
        return Opinion(score=score, reason="The draft lies far from the question" if score < 1 else "")

    def _ready(self) -> Embed | None:
        if self._absent or self._abuse:
            return None if self._absent else self._embed
        with self._loading:
            if not self._absent and not self._abuse:
                self._load()
        return None if self._absent else self._embed

    def _load(self) -> None:
        try:
            self._embed = self._embed or _fastembed(self._model)
            self._abuse = self._embed(ABUSE)
        except Exception as absent:  # no package, no model, no network, no room: all mean the same here
            self._absent = True
            log.warning("semantic quality checks step aside: %s (%s)", type(absent).__name__, self._model)


def _fastembed(model: str) -> Embed:
    from fastembed import TextEmbedding  # the extra "semantic"; it and its model take seconds to load

    loaded = TextEmbedding(model_name=model)
    return lambda texts: [vector.tolist() for vector in loaded.embed(list(texts))]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = sqrt(sum(x * x for x in one) * sum(x * x for x in other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / lengths if lengths else 0.0


check_semantics = SemanticQualityChecker()
