"""Syntax trees by tree-sitter, one grammar a language, each loaded when first asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from time import thread_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Point, Tree

__all__ = ["GRAMMARS", "load_grammars", "tree_of"]

_PACKAGES = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "bash": ("tree_sitter_bash", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "php without its tag": ("tree_sitter_php", "language_php_only"),
    "css": ("tree_sitter_css", "language"),
}
GRAMMARS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("java", "go", "cpp", "csharp", "rust", "bash", "ruby", "css")},
    "javascript": ("javascript", "tsx"), "typescript": ("typescript", "tsx"), "c": ("c", "cpp"), "php": ("php without its tag", "php"),
}  # fmt: skip
"""The grammars by which a block of a language may parse, the likeliest first: fences that say js or c are often sloppy."""

BUFFER_BYTES = 8_192
_BUFFERS: list[bytearray] = []
"""As many as were ever in use at once."""


def load_grammars(language: str) -> None:
    """Load what a key of GRAMMARS needs, if it is not there yet: each takes 0.3 ms once a process, the first one 1 ms more."""
    for grammar in GRAMMARS[language]:
        _language(grammar)


def tree_of(source: bytes, *, grammar: str, until: float) -> "Tree | None":
    """Return the tree of `source` (UTF-8), or None where this thread's processor time passes `until` (of `time.thread_time`) first.

    The parser asks for the time only now and then, and never while it skips what it cannot read, so the caller bounds the source too; more
    than 8,192 bytes are not parsed. A parser costs a microsecond; one for each call is safe in any thread and keeps nothing.
    """
    from tree_sitter import Parser, Point, Range

    if len(source) > BUFFER_BYTES:
        return None
    whole = Range(Point(0, 0), Point(source.count(b"\n"), 0), 0, len(source))
    parser = Parser(_language(grammar), included_ranges=[whole])
    with _buffer() as buffer:

        def read(at: int, _: "Point") -> bytearray:
            buffer[: len(source) - at] = source[at:]
            return buffer

        try:
            return parser.parse(read, progress_callback=lambda _, __: thread_time() > until)
        except ValueError:  # what a parse that was stopped raises
            return None


@contextmanager
def _buffer() -> Iterator[bytearray]:
    """Lend a buffer. tree-sitter 0.26 never lets go of what a reader returns, so that is to be the same few objects for ever."""
    try:
        buffer = _BUFFERS.pop()
    except IndexError:
        buffer = bytearray(BUFFER_BYTES)
    try:
        yield buffer
    finally:
        _BUFFERS.append(buffer)


@cache
def _language(grammar: str) -> "Language":
    """A race between threads loads twice, which is harmless."""
    from tree_sitter import Language

    package, function = _PACKAGES[grammar]
    return Language(getattr(import_module(package), function)())
