"""What a piece of a program is taken from, by its language."""

import re
from collections.abc import Iterator

from cascade.engine.quality.grammars import GRAMMARS

__all__ = ["readings"]

_AROUND: dict[str, tuple[tuple[str, str], ...]] = {
    "javascript": (("class A {", "}"), ("x = {", "}")),
    "typescript": (("class A {", "}"), ("x = {", "}")),
    "java": (("class A {", "}"), ("class A { A() {", "}}"), ("enum A {", "}")),
    "csharp": (("class A {", "}"), ("enum A {", "}")),
    "go": (("type A struct {", "}"), ("type A interface {", "}"), ("func f() { select {", "}}")),
    "c": (("struct a {", "};"),),
    "cpp": (("class A {", "};"), ("void f() {", "}")),
    "rust": (("fn f() {", "}"), ("struct A {", "}"), ("enum A {", "}"), ("fn f() { match x {", "}}")),
    "php": (("class A {", "}"), ("$x = [", "];")),
    "css": (("@keyframes a {", "}"),),
}
"""Where a piece of a language usually stands: members, statements, rows of a table. Before it without a line break, so that line numbers stay."""
_BEFORE_A_CONTINUATION = {
    "else": ("if (x) {}", ""), "}": ("if (x) {", ""), "catch": ("try {}", ""), "case": ("switch (x) {", "}"), "default": ("switch (x) {", "}"),
    ".": ("x", ""),
}  # fmt: skip
_WHOLE = re.compile(r"\s*(?:import|package|using|namespace|#include|<\?php)\b")
"""What begins so stands in nothing else."""
_FIRST_WORD = re.compile(r"\s*(\w+|[.}])")


def readings(plain: str, *, language: str) -> Iterator[tuple[str, str, str]]:
    """Yield a grammar, what to put before the piece and what behind it, the likeliest first.

    Worked example: Java is read alone, then as "class A {" + piece + "}", in a constructor, and as an enum's names.
    """
    grammars = GRAMMARS[language]
    if language == "php":  # by the grammar with tags, what has none is a page without a program
        grammars = grammars[1:] if "<?" in plain else grammars[:1]
    yield grammars[0], "", ""
    for before, after in () if _WHOLE.match(plain) else _surroundings(plain, language=language):
        yield grammars[0], before, f"\n{after}"  # a comment may end the piece
    for grammar in grammars[1:]:
        yield grammar, "", ""


def _surroundings(plain: str, *, language: str) -> Iterator[tuple[str, str]]:
    first = _FIRST_WORD.match(plain)
    if first and first[1] in _BEFORE_A_CONTINUATION and language in _AROUND:
        yield _BEFORE_A_CONTINUATION[first[1]]
    yield from _AROUND.get(language, ())
