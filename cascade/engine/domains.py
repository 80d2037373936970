"""What is a prompt about? Weighted keywords, phrases and shapes, summed per domain like the log-odds of a naive Bayes model."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log1p

from cascade.engine.domain_rules import BUILT_IN_RULES, DOMAINS, KeywordRule
from cascade.engine.domain_shapes import endings_in, shapes_in
from cascade.engine.values import DomainMatch, RuleEvidence

__all__ = ["BUILT_IN_RULES", "DOMAINS", "DomainDetector", "Hit", "KeywordRule", "part_read", "words_of"]

HEAD_CHARS, TAIL_CHARS = 6_000, 2_000
"""Only this much of a long prompt's start and end is read: instructions stand there, and the time stays bounded."""
GENERAL_PRIOR, GENERAL_PRIOR_PER_LOG_WORD = 0.6, 0.35
"""Nats that "general" starts with: a long text brushes against every special field, so its prior grows with ln(1 + words)."""
EVIDENCE_SCALE = 0.55
"""Words of one field come together, so their nats are not independent: scaled down before they become a probability."""
MAX_MATCHED = 12
MOST_RULES_KEPT = 20
"""Of a tenant's own rules that a prompt meets, so many are kept with its run, the weightiest: a trace stays small whatever the glossary."""

Hit = tuple[str, str, float]
"""Domain, the word or phrase or shape, nats."""

_SEPARATED = b"!\"$%&'()*,-./:;<=>?@[\\]^`{|}~\x00"
_CAPITALS = bytes(range(65, 91))
_ASCII_LOWER = bytes.maketrans(_SEPARATED + _CAPITALS, b" " * len(_SEPARATED) + _CAPITALS.lower())
_TYPOGRAPHIC = tuple(char.encode() for char in "\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u200b")
_TYPOGRAPHIC_START = b"\xe2\x80"
"""All of them start so in UTF-8."""


def part_read(text: str) -> str:
    """Return what of a text is looked at: all of it, or the start and end of a long one."""
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def words_of(text: str) -> list[str]:
    """Return the lower-case words of `text`; punctuation separates, except `_`, `+` and `#` (`snake_case`, "c++", "c#").

    Bytes are translated, and only words that are not ASCII lowered one by one, because `str.translate` and `str.lower` are ten times
    slower as soon as one character is not ASCII.
    Worked example: "It's C++, isn't it?" gives it, s, c++, isn, t, it.
    """
    raw = text.encode(errors="replace").translate(_ASCII_LOWER)
    if raw.isascii():
        return raw.decode().split()
    if _TYPOGRAPHIC_START in raw:
        for mark in _TYPOGRAPHIC:
            raw = raw.replace(mark, b" ")
    return [word if word.isascii() else word.lower() for word in raw.decode().split()]


def _plural(word: str) -> str:
    """Return the plain English plural of `word`, for rules that say "contract" and mean "contracts" too."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else word + "s"


class DomainDetector:
    """Finds the domain of a prompt from keyword rules and built-in shapes.

    The rules are compiled once, here; `detect` reads the text once and is safe to call from many threads. A later rule for the same
    domain and phrase replaces an earlier one, so a tenant's rules after the built-in ones can reweigh them or switch them off. Domains
    that appear only in rules are as good as the built-in six.
    """

    def __init__(self, *, rules: Sequence[KeywordRule] = BUILT_IN_RULES) -> None:
        self._by_word: dict[str, list[Hit]] = {}
        self._by_pair: dict[tuple[str, str], list[tuple[frozenset[str], Hit]]] = {}
        self._counted: dict[tuple[str, str], str] = {}
        latest = {(rule.domain, " ".join(words_of(rule.phrase))): rule for rule in rules}
        for (domain, phrase), rule in latest.items():
            if phrase and (rule.enabled or rule.id):
                plural = _plural(phrase)
                for said in (phrase, plural) if (domain, plural) not in latest else (phrase,):
                    self._add(domain, said, rule.weight if rule.enabled else 0.0)
                    if rule.id:
                        self._counted[domain, said] = rule.id
        self._words, self._pairs = frozenset(self._by_word), frozenset(self._by_pair)
        self.domains = tuple(dict.fromkeys((*DOMAINS, *(domain for domain, _ in latest))))

    def _add(self, domain: str, phrase: str, weight: float) -> None:
        words = phrase.split()
        if len(words) == 1:
            self._by_word.setdefault(phrase, []).append((domain, phrase, weight))
        else:
            hit = (domain, phrase, weight)
            self._by_pair.setdefault((words[0], words[1]), []).append((frozenset(words[2:]), hit))

    def detect(self, text: str) -> DomainMatch:
        """Return the domain of `text`, its probability, the runner-up, and the words and shapes that decided.

        Each distinct word, phrase or shape counts once; the sums become probabilities by a softmax (log-linear model, as naive Bayes).
        Worked number: "Prescribe 5 mg" matches `mg` 3.0, `prescribe` 2.0 and the shape dosage 2.0 for medical: 7 nats against general's
        0.6 + 0.35 x ln 4 = 1.09 and 0 elsewhere; scaled by 0.55 that is e^3.85 / (e^3.85 + e^0.60 + 4) = 0.89.
        """
        scores, hits = self.evidence(text)
        return _match(scores, hits, evidence=self._of_rules(scores, hits) if self._counted else None)

    def evidence(self, text: str) -> tuple[dict[str, float], list[Hit]]:
        """Return the nats of every domain, and each word, phrase and shape that gave them: what `detect` decides by."""
        text = part_read(text)
        words = words_of(text)
        scores = dict.fromkeys(self.domains, 0.0)
        scores["general"] = GENERAL_PRIOR + GENERAL_PRIOR_PER_LOG_WORD * log1p(len(words))
        present = set(words)
        hits = [*self._keyword_hits(words, present), *endings_in(present), *shapes_in(text, words=present)]
        for domain, _, weight in hits:
            scores[domain] += weight
        return scores, hits

    def _of_rules(self, scores: dict[str, float], hits: list[Hit]) -> RuleEvidence | None:
        met: dict[str, tuple[str, int, float]] = {}
        for domain, phrase, weight in hits:
            if rule := self._counted.get((domain, phrase)):
                met[rule] = (domain, met[rule][1] + 1 if rule in met else 1, weight)
        if not met:
            return None
        if len(met) > MOST_RULES_KEPT:
            weightiest = sorted(met, key=lambda rule: (-abs(met[rule][1] * met[rule][2]), rule))[:MOST_RULES_KEPT]
            met = {rule: met[rule] for rule in weightiest}
        return RuleEvidence(scores=tuple((name, round(score, 4)) for name, score in scores.items()), met=met)

    def _keyword_hits(self, words: list[str], present: set[str]) -> list[Hit]:
        hits: list[Hit] = []
        for word in self._words & present:
            hits += self._by_word[word]
        joined = ""
        for pair in self._pairs.intersection(pairwise(words)):
            for further, hit in self._by_pair[pair]:
                if further:
                    if not further <= present:
                        continue
                    joined = joined or f" {' '.join(words)} "
                    if f" {hit[1]} " not in joined:
                        continue
                hits.append(hit)
        return hits


def _match(scores: dict[str, float], hits: list[Hit], *, evidence: RuleEvidence | None) -> DomainMatch:
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    (first, top), (second, next_best) = ranked[:2]
    total = sum(exp(EVIDENCE_SCALE * (score - top)) for score in scores.values())
    decisive = sorted({(-weight, word) for domain, word, weight in hits if domain == first and weight > 0})
    return DomainMatch(
        domain=first,
        confidence=1 / total,
        runner_up=second,
        runner_up_confidence=exp(EVIDENCE_SCALE * (next_best - top)) / total,
        matched=tuple(word for _, word in decisive[:MAX_MATCHED]),
        evidence=evidence,
    )
