"""Which domain would a past prompt have had under another weight of a rule? Told by the scores that its run kept, without the prompt."""

from collections.abc import Iterable

__all__ = ["domain_under"]


def domain_under(scores: Iterable[tuple[str, float]], met: tuple[str, int, float], *, domain: str, weight: float) -> str:
    """Return the domain with the highest score once a rule speaks for `domain` with `weight` nats (0: switched off).

    `scores` are every domain and its nats as they stood, `met` what the rule gave: its domain then, how many of its words were met, and nats
    each. Two domains with the same score: the one that is named first, as when prompts are read.
    Worked number: general 1.5, legal 6.0, all of it by one word of the rule; at a weight of 1.0 legal falls to 1.0, so the prompt is general.
    """
    domain_then, words, nats = met
    changed = dict(scores)
    changed[domain_then] = changed.get(domain_then, 0.0) - words * nats
    changed[domain] = changed.get(domain, 0.0) + words * weight
    return max(changed, key=lambda name: round(changed[name], 4))
