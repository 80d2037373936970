"""Does the code in the draft parse?"""

from time import thread_time

from cascade.engine.quality.brackets import bracket_fault
from cascade.engine.quality.code_languages import TITLES, guess_language, tagged_language
from cascade.engine.quality.draft import HEAD_CHARS, TAIL_CHARS, CodeBlock, Draft
from cascade.engine.quality.faults import Fault
from cascade.engine.quality.fragments import BUDGET_S, NOT_C_LIKE, parse_fragment
from cascade.engine.quality.grammars import GRAMMARS, load_grammars
from cascade.engine.quality.python_source import python_of
from cascade.engine.quality.readable import is_readable
from cascade.engine.values import Check

__all__ = ["check_code"]

MAX_BLOCKS, MOST_TOKENS = 6, 2_500
SUSPECT_SCORE, GUESSED_SCORE = 0.3, 0.6
"""Of a fault that a grammar or the brackets show, and of one in a block whose language nobody named."""
_PASSED = Check(name="code", score=1.0)


def check_code(draft: Draft) -> Check:
    """Fail fenced code that does not parse: Python by `ast`, other languages by their tree-sitter grammar, else by their brackets.

    Broken Python alone rejects a draft in the domain "code". Everything else weighs: a grammar may lag behind its language, and a regular
    expression of JavaScript may hold an odd bracket. Python 2 is let through where the prompt speaks of it.
    """
    blocks = [(block, _language_of(block)) for block in draft.code_blocks[:MAX_BLOCKS]]
    for language in {language for _, language in blocks} & GRAMMARS.keys():
        load_grammars(language)
    until = thread_time() + BUDGET_S
    for block, language in blocks:
        if thread_time() > until:
            break
        fault = _fault(draft, block, language=language, until=until) if language else None
        if fault is None or (language == "python" and draft.prompt_word_set >= {"python", "2"}):
            continue
        reason = f"Line {fault.line} of the {TITLES[language]} code: {fault.words}"
        if not block.language:
            return Check(name="code", score=GUESSED_SCORE, reason=reason)
        is_python = language == "python"
        return Check(name="code", score=0.0 if is_python else SUSPECT_SCORE, reason=reason, fatal=is_python and draft.domain == "code")
    return _PASSED


def _language_of(block: CodeBlock) -> str:
    return tagged_language(block.language) if block.language else guess_language(block.source)


def _fault(draft: Draft, block: CodeBlock, *, language: str, until: float) -> Fault | None:
    if not block.closed and len(draft.whole_text) > HEAD_CHARS + TAIL_CHARS:
        return None  # it was cut off here and not by its model
    if language == "python":
        return python_of(draft, block.source)[1]
    if not is_readable(block.source, most_tokens=MOST_TOKENS):
        return None
    if language in GRAMMARS:
        parsed = parse_fragment(block.source, language=language, until=until)
        if parsed.is_told:
            return parsed.fault
    return None if language in NOT_C_LIKE else bracket_fault(block.source)
