"""Python, by Python's own parser."""

import ast
import warnings

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.faults import Fault
from cascade.engine.quality.readable import is_readable

__all__ = ["parse_python", "python_of"]

MOST_TOKENS, MOST_STATEMENTS = 1_500, 500
"""A longer program is not parsed: `ast` takes a microsecond a word or sign, and up to five where each is a statement of its own."""


def parse_python(source: str) -> tuple[ast.Module | None, Fault | None]:
    """Return (tree, None) or (None, why `source` is not Python); the fault is None too where that cannot be told."""
    lines = source.split("\n")
    if len(lines) + source.count(";") > MOST_STATEMENTS or not is_readable(source, most_tokens=MOST_TOKENS):
        return None, None
    if any(line.lstrip().startswith(("!", "%", ">>>", "$ ", "...")) for line in lines):
        return None, None  # a notebook, a console session or an elision: not meant to parse
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    plain = "\n".join(line[indent:] for line in lines) if indent else source
    try:
        if "\\" not in plain:
            return ast.parse(plain), None
        # An unknown escape only warns, and the warning must not reach the log with the draft's text.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(plain), None
    except SyntaxError as error:
        line = error.lineno or 1
        return None, None if _is_a_quoted_head(error, lines[line - 1 :]) else Fault(line, error.msg)
    except ValueError:
        return None, Fault(1, "it holds a NUL character")
    except (RecursionError, MemoryError):
        return None, None  # deeper than the parser goes, which says nothing about the code


def _is_a_quoted_head(error: SyntaxError, rest: list[str]) -> bool:
    """Does nothing but the body of the last definition lack, with at most a comment in its place?"""
    return isinstance(error, IndentationError) and "expected an indented block" in error.msg and all(line.strip()[:1] in ("", "#") for line in rest)


def python_of(draft: Draft, source: str) -> tuple[ast.Module | None, Fault | None]:
    """Return what `parse_python` says, once for each program of a draft: parsing is what its checks spend most of their time on."""
    found = draft.parsed.get(source)
    if found is None:
        found = draft.parsed[source] = parse_python(source)
    return found
