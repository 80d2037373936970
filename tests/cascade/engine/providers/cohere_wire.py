"""Cohere's v2 chat on the wire."""

import json
from typing import Any

COUNTS = {"billed_units": {"input_tokens": 5, "output_tokens": 7}, "tokens": {"input_tokens": 71, "output_tokens": 8}, "cached_tokens": 64}


def reply(*content: Any, finish: str = "COMPLETE", usage: Any = COUNTS, **message: Any) -> dict[str, Any]:
    return {"id": "c1", "message": {"role": "assistant", "content": list(content), **message}, "finish_reason": finish, "usage": usage}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def event(kind: str, *, index: int | None = None, delta: Any = None, **message: Any) -> bytes:
    payload: dict[str, Any] = {"type": kind, **({"id": "c1"} if kind in ("message-start", "message-end") else {})}
    if index is not None:
        payload["index"] = index
    if message or delta:
        payload["delta"] = delta or {"message": message}
    return f"event: {kind}\ndata: {json.dumps(payload)}\n\n".encode()


def start() -> bytes:
    return event("message-start", role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])


def words(*pieces: str, name: str = "text", index: int = 0) -> tuple[bytes, ...]:
    deltas = (event("content-delta", index=index, content={name: piece}) for piece in pieces)
    return (event("content-start", index=index, content={"type": name, name: ""}), *deltas, event("content-end", index=index))


def end(finish: str = "COMPLETE", *, usage: Any = COUNTS, **more: Any) -> bytes:
    return event("message-end", delta={"finish_reason": finish, "usage": usage, **more})
