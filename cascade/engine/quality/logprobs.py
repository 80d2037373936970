"""How sure was the model of its own words?"""

from collections.abc import Mapping, Sequence
from math import exp, isfinite

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

__all__ = ["check_logprobs"]

MAX_TOKENS = 4_000
UNSURE = 0.5


def _token_logprobs(logprobs: Mapping[str, object] | None) -> list[float]:
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, Sequence) or isinstance(content, str):
        return []
    values = [token.get("logprob") for token in content[:MAX_TOKENS] if isinstance(token, Mapping)]
    return [max(float(v), -20.0) for v in values if isinstance(v, int | float) and isfinite(v) and v <= 0]


def check_logprobs(draft: Draft) -> Check | None:
    """Return the draft's geometric mean token probability as score, or None when the provider sent no log-probabilities.

    Reads OpenAI's form, {"content": [{"token": ..., "logprob": ...}, ...]}. Sources: perplexity as a sign of hallucination is common;
    the geometric mean is exp(mean logprob), so it does not punish long answers.
    Worked number: logprobs -0.1, -0.2 and -0.6 have the mean -0.3: e^-0.3 = 0.74.
    """
    values = _token_logprobs(draft.completion.logprobs)
    if not values:
        return None
    score = exp(sum(values) / len(values))
    reason = f"The model was unsure of its words (mean token probability {score:.2f})" if score < UNSURE else ""
    return Check(name="logprobs", score=score, reason=reason)
