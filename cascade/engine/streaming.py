"""Puts the chunks of a stream together again, so that a streamed answer is booked and judged like any other."""

from collections.abc import Mapping
from typing import Any

from billing.engine.pricing import Usage
from cascade.engine.providers.base import Chunk
from cascade.engine.providers.openai_format import usage_of
from cascade.engine.values import Completion


class StreamAssembler:
    """Takes each chunk of one choice; `completion()` is the answer so far. Tool calls are merged by their index."""

    def __init__(self, *, provider: str) -> None:
        self._provider = provider
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._function: dict[str, str] = {}
        self._logprobs: dict[str, list[Any]] = {}
        self._finish_reason = ""
        self._usage: Usage | None = None
        self._about: dict[str, Any] = {}

    def add(self, chunk: Chunk) -> None:
        """Take one chunk. Raises ProviderBroken when its usage cannot be true."""
        self._usage = usage_of(given=chunk.get("usage"), provider=self._provider) or self._usage
        for name in ("model", "id", "system_fingerprint"):
            if chunk.get(name):
                self._about[name] = chunk[name]
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if isinstance(delta.get("content"), str):
                self._text.append(delta["content"])
            if isinstance(delta.get("refusal"), str):
                self._refusal.append(delta["refusal"])
            for call in delta.get("tool_calls") or ():
                self._merge_tool(call)
            self._merge_function(delta.get("function_call") or {})
            self._merge_logprobs(choice.get("logprobs") or {})
            self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def _merge_tool(self, call: Mapping[str, Any]) -> None:
        merged = self._tools.setdefault(int(call.get("index") or 0), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        merged["id"] = call.get("id") or merged["id"]
        function = call.get("function") or {}
        merged["function"]["name"] += function.get("name") or ""
        merged["function"]["arguments"] += function.get("arguments") or ""

    def _merge_function(self, call: Mapping[str, Any]) -> None:
        """The old form of tool calls: one function, whose parts come one after the other."""
        for name in ("name", "arguments"):
            if isinstance(call.get(name), str):
                self._function[name] = self._function.get(name, "") + call[name]

    def _merge_logprobs(self, logprobs: Mapping[str, Any]) -> None:
        for name in ("content", "refusal"):
            if isinstance(logprobs.get(name), list):
                self._logprobs.setdefault(name, []).extend(logprobs[name])

    @property
    def has_content(self) -> bool:
        return bool(self._tools) or bool(self._function) or any(self._text) or any(self._refusal)

    def completion(self) -> Completion:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._text) or None}
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        if self._tools:
            message["tool_calls"] = [self._tools[index] for index in sorted(self._tools)]
        if self._function:
            message["function_call"] = {"name": "", "arguments": "", **self._function}
        return Completion(
            message=message, finish_reason=self._finish_reason, usage=self._usage, model=self._about.get("model", ""),
            logprobs={"content": None, "refusal": None, **self._logprobs} if self._logprobs else None,
            request_id=self._about.get("id"), system_fingerprint=self._about.get("system_fingerprint"),
        )
