"""Google's generateContent and streamGenerateContent on the wire."""

import json
from typing import Any

COUNTS = {
    "promptTokenCount": 11, "candidatesTokenCount": 3, "thoughtsTokenCount": 6, "totalTokenCount": 20, "cachedContentTokenCount": 4,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}], "trafficType": "ON_DEMAND",
}  # fmt: skip


def reply(*parts: Any, finish: str | None = "STOP", usage: Any = COUNTS) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    told = {"candidates": [candidate], "modelVersion": "gemini-3.5-flash-lite", "responseId": "r1", "createTime": "2026-11-25T10:00:00Z"}
    return {**told, "usageMetadata": usage} if usage else told


def event(payload: Any) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\r\n\r\n"


def error(code: int, status: str, said: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": said, "status": status, "details": list(details)}}


def retry_in(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def because(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
