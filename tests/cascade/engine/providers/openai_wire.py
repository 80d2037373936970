"""OpenAI's chat completions on the wire, as seven providers speak it. Each says beside this where it differs."""

import json
from collections.abc import Sequence
from typing import Any

from cascade.engine.errors import ProviderFailed, ProviderRateLimited, ProviderRefused
from cascade.engine.values import Usage
from tests.cascade.engine.providers.contract import MESSAGES, TOOLS, ProviderContract, Refusal

DONE = b"data: [DONE]\n\n"
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}


def sse(payload: Any) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def reply(message: Any, *, usage: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage, **more}


def part(delta: Any, *, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return sse({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more})


def usage_part(usage: Any) -> bytes:
    return sse({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage})


def tool_parts(*, usage: Any, first: Any = None) -> Sequence[bytes]:
    """A call whose arguments come in pieces."""
    start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": text}} for text in ('{"city"', ': "Paris"}')]
    parts = [part({"role": "assistant", "content": None}), *(part({"tool_calls": [piece]}) for piece in (first or start, *pieces))]
    return [*parts, part({}, finish="tool_calls"), usage_part(usage), DONE]


def error(message: str, *, kind: str = "invalid_request_error", code: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


WORDS = (part({"role": "assistant", "content": ""}), part({"content": "Hello"}), part({"content": " there."}))
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."


class OpenAIContract(ProviderContract):
    def check_sent(self, body: Any) -> None:
        assert body == {"model": self.model, "messages": MESSAGES, "temperature": 0.5, self.cap[0]: 400}

    def check_stream_sent(self, body: Any) -> None:
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}

    def check_tools_sent(self, body: Any) -> None:
        assert body["tools"] == TOOLS

    tool_answer = reply({"content": None, "tool_calls": [CALL]}, usage={"prompt_tokens": 80, "completion_tokens": 16}, finish="tool_calls")
    tool_events = tool_parts(usage={"prompt_tokens": 80, "completion_tokens": 16, "total_tokens": 96})
    error_event = sse(error("The server had an error while processing your request.", kind="server_error"))


PLAIN = {"prompt_tokens": 19, "completion_tokens": 4, "total_tokens": 23}
PLAIN_USAGE = Usage(input_tokens=19, output_tokens=4)
EVERYWHERE = (
    Refusal("server error", 500, error("Internal error", kind="server_error"), ProviderFailed, said="Internal error"),
    Refusal("overloaded", 503, error("Overloaded", kind="service_unavailable"), ProviderFailed, headers={"Retry-After": "3"}, retry_after_s=3.0),
    Refusal("a proxy's page", 502, b"<html>bad gateway on db-internal-7</html>", ProviderFailed),
    Refusal("too many, without a word when", 429, error("Slow down", kind="rate_limit_error"), ProviderRateLimited),
    Refusal("no rights", 403, error("Not allowed", kind="permission_error"), ProviderRefused, "key"),
)
