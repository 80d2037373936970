"""Is a draft good enough to be served? Checks, one probability, one threshold, one sentence."""

from collections.abc import Mapping
from typing import Any

from cascade.engine.quality.callbacks import ask_callbacks
from cascade.engine.quality.checks import QualityPreset, run_checks
from cascade.engine.quality.combine import acceptability
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.evidence import Kind, evidence_of, kind_of
from cascade.engine.quality.thresholds import default_threshold
from cascade.engine.values import Check, Completion, Complexity, ValidationResult

__all__ = ["QualityValidator"]

STRICT_FATAL_SCORE = 0.2
"""Under "strict", a check that scores no more than this rejects the draft alone."""
TOOL_CALL_SCORE = 0.9
"""Tool calls without text that parse and match: nothing else can be judged by rules, and nothing speaks against them."""
WEAK_SCORE = 0.7


class QualityValidator:
    """Judges drafts by rules and measurements, and by registered callbacks. Holds no state between drafts, safe in many threads.

    `preset`: "fast" leaves out the checks of relevance, language, hedging and code syntax and accepts more; "balanced" is the default;
    "strict" accepts less and lets any badly failed check reject alone.
    """

    def __init__(self, *, preset: QualityPreset = "balanced") -> None:
        self.preset: QualityPreset = preset

    def validate(
        self,
        *,
        prompt: str,
        completion: Completion,
        parameters: Mapping[str, Any],
        domain: str,
        complexity: Complexity,
        threshold: float | None = None,
    ) -> ValidationResult:
        """Return whether the draft is accepted, its probability of being acceptable (0 to 1), each check, and the reason in a sentence.

        `prompt` is the user's question, `parameters` the caller's OpenAI fields (max_tokens, response_format, tools and tool_choice are
        read), `threshold` overrides the default of preset, domain, complexity and kind of answer. A fatal check rejects whatever the
        threshold. Never raises on any content of the draft.
        Worked example: a draft with finish_reason "length" gets score at most 0.02 and "The draft is cut off (finish_reason length)".
        """
        draft = Draft(prompt=prompt, completion=completion, parameters=parameters, domain=domain, complexity=complexity)
        kind = kind_of(draft)
        checks = self._told(run_checks(draft, preset=self.preset))
        score = _score(draft, kind, checks)
        if opinions := ask_callbacks(prompt, completion):
            checks, score = (*checks, *opinions), min(score, *(opinion.score for opinion in opinions))
        limit = threshold
        if limit is None:
            limit = default_threshold(preset=self.preset, domain=domain, complexity=complexity, kind=kind)
        accepted = score >= limit and not any(check.fatal for check in checks)
        reason = _reason(checks, score=score, limit=limit, accepted=accepted)
        return ValidationResult(score=score, threshold=limit, accepted=accepted, checks=checks, reason=reason)

    def _told(self, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        if self.preset != "strict":
            return checks
        return tuple(
            Check(name=c.name, score=c.score, reason=c.reason, fatal=True) if c.score <= STRICT_FATAL_SCORE and c.reason else c
            for c in checks
        )


def _score(draft: Draft, kind: Kind, checks: tuple[Check, ...]) -> float:
    if draft.calls_tools and not draft.stripped:
        return 0.0 if any(check.fatal for check in checks) else TOOL_CALL_SCORE
    if any(check.fatal and check.name == "emptiness" for check in checks):
        return 0.0
    return acceptability(kind=kind, evidence=evidence_of(draft, kind=kind), checks=checks)


def _reason(checks: tuple[Check, ...], *, score: float, limit: float, accepted: bool) -> str:
    """Return the decision in one sentence: the fatal check's words, else the worst one's, else the numbers alone."""
    if accepted:
        return f"Accepted: probability {score:.2f}, {limit:.2f} needed"
    told = sorted((check for check in checks if check.reason), key=lambda check: (not check.fatal, check.score))
    if told and (told[0].fatal or told[0].score < WEAK_SCORE):
        return told[0].reason if told[0].fatal else f"{told[0].reason}: probability {score:.2f}, {limit:.2f} needed"
    return f"No fault was found, but drafts like this are right too seldom: probability {score:.2f}, {limit:.2f} needed"
