"""Does the code in the draft parse?"""

import ast
import re
import warnings

from cascade.engine.quality.draft import CodeBlock, Draft
from cascade.engine.values import Check

__all__ = ["check_code", "parse_python", "python_of"]

MAX_SOURCE_CHARS = 8_000
"""A longer block is not parsed: `ast` takes about 60 microseconds per kilobyte."""
MAX_NESTING = 60
"""Python's own parser is made to backtrack by deep brackets; nobody writes sixty."""
MAX_BLOCKS = 6

_PYTHON = frozenset({"python", "py", "python3"})
_BRACKET_LANGUAGES = frozenset({
    "javascript", "js", "typescript", "ts", "java", "c", "cpp", "c++", "csharp", "cs", "c#", "go", "rust", "php", "swift", "kotlin",
    "scala",
})
# Possessive, so that an unclosed string or comment is read once and not again from each of its characters.
_STRINGS_AND_COMMENTS = re.compile(
    r'''"(?:[^"\\\n]|\\.)*+"?|\'(?:[^'\\\n]|\\.){0,200}+'|`[^`]*+`?|//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?''', re.DOTALL
)
_BRACKETS = re.compile(r"[()\[\]{}]")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_PASSED = Check(name="code", score=1.0)


def parse_python(source: str) -> tuple[ast.Module | None, str]:
    """Return (tree, "") or (None, why `source` is not Python); the reason is "" too where that cannot be told."""
    lines = source.split("\n")
    if any(line.lstrip().startswith(("!", "%", ">>>", "$ ", "...")) for line in lines):
        return None, ""  # a notebook, a console session or an elision: not meant to parse
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    plain = "\n".join(line[indent:] for line in lines) if indent else source
    if len(plain) > MAX_SOURCE_CHARS or _nesting(plain) > MAX_NESTING:
        return None, ""
    try:
        if "\\" not in plain:
            return ast.parse(plain), ""
        # An unknown escape only warns, and the warning must not reach the log with the draft's text.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(plain), ""
    except SyntaxError as error:
        return None, f"{error.msg} (line {error.lineno})"
    except ValueError:
        return None, "it holds a NUL character"
    except (RecursionError, MemoryError):
        return None, ""  # deeper than the parser goes, which says nothing about the code


def python_of(draft: Draft, source: str) -> tuple[ast.Module | None, str]:
    """Return what `parse_python` says, once for each program of a draft: parsing is what its checks spend most of their time on."""
    found = draft.parsed.get(source)
    if found is None:
        found = draft.parsed[source] = parse_python(source)
    return found


def _nesting(source: str) -> int:
    """Return how deep brackets nest at most, counted without regard to strings: an upper bound for real code."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(source):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def _bracket_fault(source: str) -> str:
    """Return how the brackets of a C-like language do not match, or ""."""
    open_brackets: list[str] = []
    for bracket in _BRACKETS.findall(_STRINGS_AND_COMMENTS.sub(" ", source)):
        if bracket in "([{":
            open_brackets.append(bracket)
        elif not open_brackets or open_brackets.pop() != _PAIRS[bracket]:
            return f"an unexpected {bracket!r}"
    return f"{open_brackets[-1]!r} is never closed" if open_brackets else ""


def _fault(draft: Draft, block: CodeBlock) -> str:
    if len(block.source) > MAX_SOURCE_CHARS:
        return ""
    if block.language in _PYTHON:
        return python_of(draft, block.source)[1]
    return _bracket_fault(block.source) if block.language in _BRACKET_LANGUAGES else ""


def check_code(draft: Draft) -> Check:
    """Fail fenced code that does not parse: Python by `ast`, C-like languages by their brackets; other languages pass.

    Broken Python alone rejects a draft in the domain "code"; elsewhere it weighs, as brackets always do, since a regular expression of
    JavaScript may hold an odd one. Python 2 is let through where the prompt speaks of it.
    """
    for block in draft.code_blocks[:MAX_BLOCKS]:
        fault = _fault(draft, block)
        is_python = block.language in _PYTHON
        if fault and not (is_python and draft.prompt_word_set >= {"python", "2"}):
            reason = f"The {block.language} code does not parse: {fault}"
            return Check(name="code", score=0.0 if is_python else 0.3, reason=reason, fatal=is_python and draft.domain == "code")
    return _PASSED
