"""The checks of each preset, in the order in which they are told; that of emptiness comes before them all."""

from collections.abc import Callable
from typing import Literal

from cascade.engine.quality.arithmetic import check_arithmetic
from cascade.engine.quality.code_syntax import check_code
from cascade.engine.quality.contradiction import check_contradiction
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.emptiness import check_emptiness
from cascade.engine.quality.json_format import check_json
from cascade.engine.quality.language import check_language
from cascade.engine.quality.length import check_length
from cascade.engine.quality.logprobs import check_logprobs
from cascade.engine.quality.refusal import check_hedging, check_refusal
from cascade.engine.quality.relevance import check_relevance
from cascade.engine.quality.repetition import check_repetition
from cascade.engine.quality.tool_arguments import check_tools
from cascade.engine.quality.truncation import check_truncation
from cascade.engine.values import Check

__all__ = ["CHECKS", "QualityPreset", "run_checks"]

QualityPreset = Literal["fast", "balanced", "strict"]

_FAST: tuple[Callable[[Draft], Check | None], ...] = (
    check_truncation, check_refusal, check_tools, check_json, check_repetition, check_arithmetic, check_contradiction,
    check_logprobs,
)
_ALL = (*_FAST, check_hedging, check_relevance, check_language, check_length, check_code)

CHECKS: dict[QualityPreset, tuple[Callable[[Draft], Check | None], ...]] = {"fast": _FAST, "balanced": _ALL, "strict": _ALL}


def run_checks(draft: Draft, *, preset: QualityPreset) -> tuple[Check, ...]:
    """Return the verdicts of the preset's checks; an empty draft gets only that one, since there is nothing else to look at."""
    empty = check_emptiness(draft)
    if empty.fatal:
        return (empty,)
    return (empty, *[check for run in CHECKS[preset] if (check := run(draft)) is not None])
