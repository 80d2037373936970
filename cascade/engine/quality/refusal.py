"""Does the draft refuse, or say that it does not know?"""

from cascade.engine.domains import words_of
from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

OPENING_CHARS, CLOSING_CHARS = 400, 300
"""A refusal opens an answer (or closes it); the same words amid a long answer mostly belong to its subject."""

_REFUSALS = (
    "i cannot help", "i can't help", "i cannot assist", "i can't assist", "i cannot provide", "i can't provide", "i cannot answer",
    "i can't answer", "i'm unable to", "i am unable to", "i am not able to", "i'm not able to", "i won't be able", "i cannot fulfill",
    "i can't fulfill", "i must decline", "i cannot comply", "i can't comply", "against my guidelines",
    "i'm sorry, but i", "i am sorry, but i",
    "i apologize, but i", "as an ai language model, i", "as a language model, i", "as an ai, i", "i don't have access to",
    "i do not have access to", "i don't have the ability", "i do not have the ability", "i currently don't have the capability",
    "i don't have the capability", "i can't browse", "i cannot browse", "i'm not programmed", "beyond my capabilities",
)
_IGNORANCE = (
    "i don't know", "i do not know", "i'm not sure", "i am not sure", "i have no information", "i don't have information",
    "i do not have information", "i don't have enough information", "not enough information", "cannot be determined",
    "can't be determined", "it is impossible to determine", "impossible to say", "could you provide more", "can you provide more",
    "please provide more", "could you please provide", "can you please provide", "could you clarify", "please clarify",
    "i would need more", "as of my last update", "as of my knowledge cutoff", "my knowledge cutoff", "i made a mistake",
    "i apologize for the confusion", "i'm just guessing", "this is a guess", "let me try again", "wait, that",
)
_HEDGES = ("perhaps", "maybe", "possibly", "might", "unclear", "uncertain", "presumably", "seems", "appears", "probably", "guess", "unsure")
HEDGES_PER_HUNDRED_WORDS = 3.0


def _signs_of(phrases: tuple[str, ...]) -> frozenset[str]:
    """Return words of which each phrase has one: "i" where it speaks of itself, else its longest. A draft without any has no phrase."""
    return frozenset("i" if "i" in words else max(words, key=len) for words in map(words_of, phrases))


_SIGNS_OF_BOTH = _signs_of(_REFUSALS) | _signs_of(_IGNORANCE)
_PASSED_REFUSAL, _PASSED_HEDGING = Check(name="refusal", score=1.0), Check(name="hedging", score=1.0)


def _first_in(phrases: tuple[str, ...], text: str) -> str:
    for phrase in phrases:
        if phrase in text:
            return phrase
    return ""


def check_refusal(draft: Draft) -> Check:
    """Fail a draft that refuses in its opening; suspect one that says it does not know or asks back.

    A refusal message in OpenAI's own field `refusal` fails too.
    """
    if draft.completion.message.get("refusal"):
        return Check(name="refusal", score=0.0, reason="The provider marked the draft as a refusal", fatal=True)
    if draft.word_set.isdisjoint(_SIGNS_OF_BOTH):
        return _PASSED_REFUSAL
    text = draft.stripped.replace("\u2019", "'")
    opening, closing = text[:OPENING_CHARS].lower(), text[OPENING_CHARS:][-CLOSING_CHARS:].lower()
    if phrase := _first_in(_REFUSALS, opening):
        return Check(name="refusal", score=0.0, reason=f"The draft refuses (\u201c{phrase}\u201d)", fatal=True)
    if phrase := _first_in(_IGNORANCE, opening) or _first_in(_IGNORANCE, closing):
        return Check(name="refusal", score=0.25, reason=f"The draft does not commit itself (\u201c{phrase}\u201d)")
    return _PASSED_REFUSAL


def check_hedging(draft: Draft) -> Check:
    """Score how often the draft hedges: 1 without, 0 from three hedging words per hundred.

    Worked number: "perhaps", "maybe" and "might" in 200 words are 1.5 per hundred: 0.5.
    """
    words = [word for word in _HEDGES if word in draft.word_set]
    if not words:
        return _PASSED_HEDGING
    count = sum(draft.words.count(word) for word in words)
    # Short drafts count as fifty words: one "probably" in a sentence is no verdict.
    rate = 100 * count / max(len(draft.words), 50)
    score = max(0.0, 1 - rate / HEDGES_PER_HUNDRED_WORDS)
    return Check(name="hedging", score=score, reason=f"The draft hedges ({', '.join(words[:3])})" if score < 0.5 else "")
