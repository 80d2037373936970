"""Does a piece of a program parse? Alone, or in the place that such a piece is usually taken from."""

import re
from time import thread_time
from typing import NamedTuple

from cascade.engine.quality.brackets import bracket_fault
from cascade.engine.quality.faults import Fault
from cascade.engine.quality.grammars import tree_of
from cascade.engine.quality.surroundings import readings
from cascade.engine.quality.tree_faults import faults_in

__all__ = ["BUDGET_S", "NOT_C_LIKE", "parse_fragment"]

MAX_BYTES, MAX_OPEN_COMMENTS, MAX_OPEN_GENERICS = 8_000, 3, 60
BUDGET_S = 0.002
"""Of processor time, for all programs of a draft together; a valid kilobyte takes 0.1 to 0.25 ms, a broken one more."""
MOST_FAULTS_A_LINE = 0.35
"""Code with one mistake has faults on few lines. With more than this it is another language, pseudo-code or output under a wrong tag."""
NOT_C_LIKE = frozenset({"bash", "ruby", "css"})
"""Counting brackets tells nothing of them: the shell's `case` has single ones, and comments and texts are written otherwise than in C."""

_ELISION = re.compile(r"(?:,[ \t]*|(?<![\w.)\]\"'$]))(?:\.\.\.|\u2026)(?![\w.\[(\"'{$&@])")
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]{0,40}>")
_GENERIC = re.compile(r"\w<(?![<=])")
_PROMPT = re.compile(r"^ *(?:\$|>) ", re.MULTILINE)


class Parsed(NamedTuple):
    """What the grammar says of a piece. Where it can tell nothing, `is_told` is False."""

    is_told: bool
    fault: Fault | None = None


def parse_fragment(source: str, *, language: str, until: float) -> Parsed:
    """Return whether `source` parses as a piece of a program in `language` (a key of GRAMMARS), and its first fault where it does not.

    It holds if it parses alone or in a usual surrounding: a method in a class, statements in a function, a branch after its `if`. Nothing
    is told of a piece with an elision that does not parse, of one with faults all over, and of one that takes longer than `until`
    (`time.thread_time`). Worked example: "function f(a { return a; }" in JavaScript has one fault, line 1, "missing `)`".
    """
    plain = _without_elisions(source, language=language)
    if not _is_plain(plain, language=language):
        return Parsed(is_told=False)
    most = max(1, int(MOST_FAULTS_A_LINE * sum(map(bool, map(str.strip, plain.split("\n"))))))
    fewest: list[Fault] | None = None
    for grammar, before, after in readings(plain, language=language):
        tree = tree_of((before + plain + after).encode(errors="replace"), grammar=grammar, until=until)
        if tree is None:
            return Parsed(is_told=False)
        faults = faults_in(tree, most=most, until=until) if tree.root_node.has_error else []
        if faults is not None and _is_only_unfinished(faults, plain):
            return Parsed(is_told=True)
        if faults is not None and (fewest is None or len(faults) < len(fewest)):
            fewest = faults
    if not fewest or plain != source or thread_time() > until:
        return Parsed(is_told=False)
    return Parsed(is_told=True, fault=_first(fewest, plain, language=language))


def _without_elisions(source: str, *, language: str) -> str:
    plain = _ELISION.sub("", source) if "..." in source or "\u2026" in source else source
    return _PLACEHOLDER.sub("x", plain) if language == "bash" else plain


def _is_plain(plain: str, *, language: str) -> bool:
    """May it be given to the parser, which is slow at a few things?"""
    if "\x00" in plain or len(plain.encode(errors="replace")) > MAX_BYTES or plain.count("/*") - plain.count("*/") > MAX_OPEN_COMMENTS:
        return False
    if len(_GENERIC.findall(plain)) - plain.count(">") > MAX_OPEN_GENERICS:
        return False
    return language != "bash" or not _PROMPT.search(plain)  # a session, with its output


def _is_only_unfinished(faults: list[Fault], plain: str) -> bool:
    """Is nothing wrong but that the last statement has no semicolon? A quoted call has none."""
    written = plain.rstrip()
    at_end = len(faults) == 1 and faults[0].line > written.count("\n") and written[-1:] not in (";", "}")
    return not faults or (at_end and faults[0].words == "missing `;`")


def _first(faults: list[Fault], plain: str, *, language: str) -> Fault:
    """Return the first fault; where a bracket is its cause, that bracket. What is missing at the end is so on the last line."""
    first = faults[0]
    if first.words.startswith("missing") or language in NOT_C_LIKE:
        return Fault(min(first.line, plain.rstrip().count("\n") + 1), first.words)
    return bracket_fault(plain) or first
