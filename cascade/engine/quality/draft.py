"""What the checks look at: one draft, read once."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from cascade.engine.domains import words_of
from cascade.engine.quality.faults import Fault
from cascade.engine.quality.final_answer import final_number, numbers_in
from cascade.engine.quality.lazy import lazy
from cascade.engine.quality.sums import Sum, sums_in
from cascade.engine.values import Completion, Complexity

__all__ = ["CodeBlock", "Draft"]

HEAD_CHARS, TAIL_CHARS = 8_000, 4_000
"""A longer text is judged by its start and end; JSON is still parsed whole."""
PROMPT_HEAD_CHARS, PROMPT_TAIL_CHARS = 3_000, 1_000

_FENCE = re.compile(r"```([\w+#.-]{0,20})[^\n]{0,80}\n")


class CodeBlock:
    """One fenced block: its language tag in lower case ("" when none), its source, and whether its fence was closed."""

    __slots__ = ("closed", "language", "source")

    def __init__(self, *, language: str, source: str, closed: bool) -> None:
        self.language, self.source, self.closed = language, source, closed


def _window(text: str, *, head: int, tail: int) -> str:
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"


class Draft:
    """A draft beside its prompt, with what several checks need computed once and only when asked for."""

    def __init__(
        self, *, prompt: str, completion: Completion, parameters: Mapping[str, Any], domain: str, complexity: Complexity
    ) -> None:
        self.completion, self.parameters, self.domain, self.complexity = completion, parameters, domain, complexity
        self.whole_text = completion.text
        self.text = _window(self.whole_text, head=HEAD_CHARS, tail=TAIL_CHARS)
        self.prompt = _window(prompt, head=PROMPT_HEAD_CHARS, tail=PROMPT_TAIL_CHARS)

    @lazy
    def parsed(self) -> dict[str, tuple[ast.Module | None, Fault | None]]:
        """The trees of its Python programs by source, each with what is wrong where there is none; `python_of` fills it."""
        return {}

    @lazy
    def words(self) -> list[str]:
        return words_of(self.text)

    @lazy
    def word_set(self) -> frozenset[str]:
        return frozenset(self.words)

    @lazy
    def prompt_words(self) -> list[str]:
        return words_of(self.prompt)

    @lazy
    def prompt_word_set(self) -> frozenset[str]:
        return frozenset(self.prompt_words)

    @lazy
    def prompt_numbers(self) -> frozenset[float]:
        """The distinct plain numbers of the prompt."""
        return frozenset(numbers_in(self.prompt))

    @property
    def calls_tools(self) -> bool:
        """Does the draft call tools (or functions, OpenAI's older form)? Such a draft needs no text."""
        return bool(self.completion.tool_calls or self.completion.message.get("function_call"))

    @lazy
    def stripped(self) -> str:
        return self.text.strip()

    @lazy
    def sums(self) -> list[Sum]:
        """The recomputed sums of the text; none in code, where "=" assigns."""
        return [] if self.code_blocks and self.code_blocks[0].language not in ("json", "") else sums_in(self.text)

    @lazy
    def final(self) -> tuple[float | None, str]:
        """The marked final number and the working before it."""
        return final_number(self.text)

    @lazy
    def code_blocks(self) -> tuple[CodeBlock, ...]:
        """The fenced blocks in order. Found in one pass: each opening looks for its closing only behind itself."""
        text, blocks, position = self.whole_text[: HEAD_CHARS + TAIL_CHARS], [], 0
        while match := _FENCE.search(text, position):
            end = text.find("```", match.end())
            closed = end >= 0
            source = text[match.end() : end] if closed else text[match.end() :]
            blocks.append(CodeBlock(language=match[1].lower(), source=source, closed=closed))
            if not closed:
                break
            position = end + 3
        return tuple(blocks)
