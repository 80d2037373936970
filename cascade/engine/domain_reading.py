"""How a domain was found, for people who write rules: what every word gave, and how well labelled prompts are told apart."""

import re
from collections.abc import Iterable, Sequence
from math import exp

from msgspec import Struct

from cascade.engine.domains import EVIDENCE_SCALE, DomainDetector, Hit, part_read, words_of
from cascade.engine.values import DomainMatch

__all__ = ["CLOSE_CALL", "Confusion", "DomainReading", "confusion_of", "marked", "read_domain"]

CLOSE_CALL = 0.20
"""Below this margin between the first two domains a few words more could have turned the decision."""
_WORD = re.compile(r"[^\s!\"$%&'()*,\-./:;<=>?@\[\\\]^`{|}~\x00\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u200b\ud800-\udfff]+")
"""One class, repeated once: it cannot blow up. The same words as `words_of` finds, with their places."""


class DomainShare(Struct, frozen=True, kw_only=True):
    """One domain's part of a decision: `score` in nats, `probability` from 0 to 1."""

    domain: str
    score: float
    probability: float


class DomainReading(Struct, frozen=True, kw_only=True):
    """A prompt's domain with all that speaks for and against it."""

    match: DomainMatch
    shares: Sequence[DomainShare]
    """Every domain, the likeliest first."""
    evidence: Sequence[Hit]
    """Domain, word or phrase or shape, nats: the weightiest first."""

    @property
    def margin(self) -> float:
        return self.match.confidence - self.match.runner_up_confidence

    @property
    def is_close_call(self) -> bool:
        return self.margin < CLOSE_CALL


def read_domain(text: str, *, detector: DomainDetector) -> DomainReading:
    """Return the decision of `detector.detect` about a prompt, whole.

    Worked number: "Prescribe 5 mg" has 7 nats for medical and 1.09 for general: 0.89 against 0.03, a margin of 0.86.
    """
    scores, hits = detector.evidence(text)
    top = max(scores.values())
    total = sum(exp(EVIDENCE_SCALE * (score - top)) for score in scores.values())
    shares = [DomainShare(domain=name, score=score, probability=exp(EVIDENCE_SCALE * (score - top)) / total) for name, score in scores.items()]
    return DomainReading(
        match=detector.detect(text), shares=sorted(shares, key=lambda share: -share.probability),
        evidence=sorted(hits, key=lambda hit: (-abs(hit[2]), hit[0], hit[1])),
    )


def marked(text: str, phrases: Iterable[str]) -> list[tuple[str, bool]]:
    """Return the part of a text that is read, cut into pieces, each with whether one of the words or phrases is in it.

    Worked example: "Is it C++?" with ["c++"] gives ("Is it ", False), ("C++", True), ("?", False).
    """
    text = part_read(text)
    places = [(found.start(), found.end(), found.group().lower()) for found in _WORD.finditer(text)]
    by_first: dict[str, list[list[str]]] = {}
    for phrase in phrases:
        if words := words_of(phrase):
            by_first.setdefault(words[0], []).append(words)
    pieces: list[tuple[str, bool]] = []
    done = 0
    for at, (start, _, word) in enumerate(places):
        fitting = [len(words) for words in by_first.get(word, ()) if [place[2] for place in places[at : at + len(words)]] == words]
        if not fitting or start < done:
            continue
        end = places[at + max(fitting) - 1][1]
        pieces += [(text[done:start], False), (text[start:end], True)]
        done = end
    return [piece for piece in (*pieces, (text[done:], False)) if piece[0]]


class Confusion(Struct, frozen=True, kw_only=True):
    """Labelled prompts against what was detected: `rows` has for each label the count of every domain in `domains`."""

    domains: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int]]]
    right: int
    total: int

    @property
    def accuracy_permille(self) -> int:
        """Worked number: 183 of 200 are 915, shown as 91.5 %."""
        return 1000 * self.right // self.total if self.total else 0


def confusion_of(pairs: Sequence[tuple[str, str]]) -> Confusion:
    """Return the table of pairs of a label and the domain that was detected."""
    domains = sorted({name for pair in pairs for name in pair})
    labels = sorted({label for label, _ in pairs})
    rows = [(label, [sum(pair == (label, domain) for pair in pairs) for domain in domains]) for label in labels]
    return Confusion(domains=domains, rows=rows, right=sum(label == found for label, found in pairs), total=len(pairs))
