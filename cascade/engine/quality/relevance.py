"""Does the draft speak of what was asked?"""

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

COMMON_WORDS = frozenset({
    "about", "above", "after", "again", "also", "answer", "because", "been", "before", "being", "below", "between", "both", "could",
    "describe", "does", "doing", "down", "during", "each", "either", "every", "example", "explain", "find", "following", "from",
    "further", "give", "given", "have", "having", "here", "into", "itself", "just", "like", "list", "make", "many", "more", "most",
    "much", "must", "name", "need", "once", "only", "other", "over", "please", "provide", "question", "same", "should", "show", "some",
    "such", "than", "that", "their", "them", "then", "there", "these", "they", "this", "those", "through", "tell", "under", "until",
    "used", "using", "very", "want", "were", "what", "when", "where", "which", "while", "whom", "will", "with", "would", "write",
    "your", "create", "generate", "step", "format", "json", "field", "instruction", "present", "solution",
})
"""Of four letters and more; shorter words are no topic words anyway."""
MIN_TOPIC_WORDS = 3
STEM = 5
FULL_SHARE = 0.3
"""Repeating this share of the question's topic words is as good as all of them."""
_PASSED = Check(name="relevance", score=1.0)


def check_relevance(draft: Draft) -> Check:
    """Score the share of the prompt's topic words that the draft takes up; 30 % is enough for 1.

    Words count as the same when their first five letters agree ("invest", "investing"). Says nothing (1.0) on prompts with fewer than three
    topic words, on drafts of fewer than eight words (a name or a number answers without echoing), and on structured output.
    Worked number: the prompt's topic words are capital, city and france; the draft has france: 1/3, full marks.
    """
    topic_words = {word for word in draft.prompt_word_set - COMMON_WORDS if len(word) > 3 and not word.isdigit()}
    topic = {word[:STEM] for word in topic_words}
    if len(topic) < MIN_TOPIC_WORDS or len(draft.words) < 8 or draft.calls_tools or "response_format" in draft.parameters:
        return _PASSED
    # Long prompts bring their own material; nobody repeats thirty per cent of a contract.
    wanted = FULL_SHARE * min(len(topic), 20)
    shared = {word[:STEM] for word in topic_words & draft.word_set}
    if len(shared) < wanted:
        shared = topic & {word[:STEM] for word in draft.word_set}
    score = min(1.0, len(shared) / wanted)
    return Check(name="relevance", score=score, reason="The draft hardly speaks of what was asked" if score < 0.4 else "")
