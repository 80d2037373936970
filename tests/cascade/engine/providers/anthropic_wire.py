"""Anthropic's messages on the wire."""

import json
from collections.abc import Mapping
from typing import Any

COUNTS = {
    "input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 15,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard",
}  # fmt: skip
AT_START = {**COUNTS, "output_tokens": 1}


def message(*content: Mapping[str, Any], stop: str | None = "end_turn", usage: Any = COUNTS) -> dict[str, Any]:
    return {
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": list(content), "stop_reason": stop,
        "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start() -> bytes:
    return event("message_start", message=message(stop=None, usage=AT_START))


def block(index: int, opening: Mapping[str, Any], *deltas: Mapping[str, Any]) -> tuple[bytes, ...]:
    pieces = (event("content_block_delta", index=index, delta=delta) for delta in deltas)
    return (event("content_block_start", index=index, content_block=opening), *pieces, event("content_block_stop", index=index))


def end(stop: str = "end_turn") -> tuple[bytes, ...]:
    return event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": 15}), event("message_stop")


def error(kind: str, said: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_011"}
