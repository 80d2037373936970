"""Cohere's v2 chat format, turned into OpenAI's and back: requests, whole answers, and the events of a stream."""

from collections.abc import Mapping, Sequence
from typing import Any

from cascade.engine.errors import InvalidRequest, ProviderBroken, ProviderRefused
from cascade.engine.providers.openai_format import GIVEN_BY_US, OBJECT, REQUEST, UNDECODABLE, is_empty, usage_of
from cascade.engine.providers.upstream_errors import shorten, upstream_text
from cascade.engine.values import Completion, CompletionRequest

__all__ = ["EventReader", "decode_answer", "encode_request"]

NAMES = {
    "temperature": "temperature", "top_p": "p", "stop": "stop_sequences", "seed": "seed", "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty", "tools": "tools",
}  # fmt: skip
"""OpenAI's fields that Cohere has, by Cohere's names. Any other is refused by name, for nothing may be lost in silence."""
MESSAGE_FIELDS = ("role", "content", "tool_calls", "tool_call_id")
TOOL_CHOICES = {"required": "REQUIRED", "none": "NONE"}
FINISH_REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def encode_request(*, request: CompletionRequest, provider: str, stream: bool) -> bytes:
    """Return the request's body. Raises ProviderRefused, with nothing sent, for a field that Cohere does not know."""
    given = {name: value for name, value in request.parameters.items() if name not in GIVEN_BY_US}
    body: dict[str, Any] = {NAMES[name]: given.pop(name) for name in tuple(given) if name in NAMES}
    if isinstance(body.get("stop_sequences"), str):
        body["stop_sequences"] = [body["stop_sequences"]]
    _take_format(given, body)
    if given.get("tool_choice") in ("auto", *TOOL_CHOICES):
        choice = TOOL_CHOICES.get(given.pop("tool_choice"))
        body.update({"tool_choice": choice} if choice else {})
    if given:
        raise _refused(provider, given)
    body.update(model=request.model.upstream_name, messages=[_message(message) for message in request.messages], stream=stream)
    body[request.model.cap_parameter] = request.max_tokens
    try:
        return REQUEST.encode(body)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise InvalidRequest("the request holds a value that cannot be written as JSON") from wrong


def _take_format(given: dict[str, Any], body: dict[str, Any]) -> None:
    wanted = given.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind in ("text", "json_object"):
        body["response_format"] = {"type": kind}
    elif kind == "json_schema" and isinstance(schema := wanted.get("json_schema"), Mapping):  # type: ignore[union-attr]
        body["response_format"] = {"type": "json_object", "json_schema": schema.get("schema") or {}}
    else:
        return
    del given["response_format"]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: message[name] for name in MESSAGE_FIELDS if message.get(name) is not None}
    if plain.get("role") == "developer":
        plain["role"] = "system"
    return plain


def _refused(provider: str, names: Mapping[str, Any]) -> ProviderRefused:
    known = f"it knows no parameter {', '.join(sorted(names))}" if "tool_choice" not in names else "it cannot be made to call one certain tool"
    refused = ProviderRefused(f"{provider} cannot take this request: {shorten(known)}", provider=provider)
    refused.sent = False
    return refused


def decode_answer(*, body: bytes, provider: str) -> Completion:
    """Return the completion that a 200 answer holds. Raises ProviderBroken when it holds none."""
    try:
        answer = OBJECT.decode(body)
        message, finish_reason = _message_of(answer["message"]), answer.get("finish_reason")
    except (*UNDECODABLE, KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise ProviderBroken(f"{provider} answered with something that is no chat", provider=provider) from wrong
    finished = _finish(finish_reason, said=answer.get("error"), provider=provider)
    if is_empty(message, finished):
        raise ProviderBroken(f"{provider} answered with an empty message", provider=provider, upstream_status=200)
    usage = usage_of(given=_usage(answer.get("usage")), provider=provider)
    return Completion(message=message, finish_reason=finished, usage=usage, request_id=answer.get("id"))


def _message_of(message: Mapping[str, Any]) -> dict[str, Any]:
    parts: Sequence[Mapping[str, Any]] = message.get("content") or ()
    thoughts = (message.get("tool_plan") or "") + "".join(part.get("thinking") or "" for part in parts)
    told: dict[str, Any] = {"role": "assistant", "content": "".join(part.get("text") or "" for part in parts) or None}
    if thoughts:
        told["reasoning_content"] = thoughts
    if message.get("tool_calls"):
        told["tool_calls"] = [dict(call) for call in message["tool_calls"]]
    return told


def _finish(reason: Any, *, said: Any, provider: str) -> str:
    if reason in FINISH_REASONS:
        return FINISH_REASONS[reason]
    raise ProviderBroken(f"{provider} ended its answer with {shorten(str(reason))[:40]!r}{upstream_text(said)}", provider=provider)


def _usage(given: Any) -> dict[str, Any] | None:
    """Return the counts in OpenAI's form. What is billed counts, which leaves out the frame that Cohere itself puts around a prompt."""
    counts = (given.get("billed_units") or given.get("tokens")) if isinstance(given, Mapping) else None
    if not isinstance(counts, Mapping):
        return None
    asked, said = counts.get("input_tokens"), counts.get("output_tokens")
    whole = [int(count) if isinstance(count, float) and count.is_integer() else count for count in (asked, said)]  # they come as 5.0, too
    return {"prompt_tokens": whole[0], "completion_tokens": whole[1]}


class EventReader:
    """Turns the events of one stream into chunks of OpenAI's. `is_finished` and `usage` tell how it ended."""

    def __init__(self, *, provider: str) -> None:
        self._provider = provider
        self._tools = -1
        self._frame: dict[str, Any] = {"id": None, "object": "chat.completion.chunk"}
        self.is_finished = False
        self.usage: dict[str, Any] | None = None

    def read(self, payload: bytes) -> dict[str, Any] | None:
        """Return the chunk of an event, or None for one that says nothing of the answer. Raises ProviderBroken."""
        try:
            event = OBJECT.decode(payload)
            delta = event.get("delta") or {}
            return self._read(event, delta, delta.get("message") or {})
        except (*UNDECODABLE, KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise ProviderBroken(f"{self._provider} sent an event that is none of a chat", provider=self._provider) from wrong

    def _read(self, event: Mapping[str, Any], delta: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any] | None:
        kind = event.get("type")
        if kind == "message-start":
            self._frame["id"] = event.get("id")
            return self._chunk({"role": "assistant", "content": ""})
        if kind in ("content-start", "content-delta"):
            return self._words(message.get("content") or {})
        if kind == "tool-plan-delta":
            return self._words({"thinking": message.get("tool_plan")})
        if kind in ("tool-call-start", "tool-call-delta"):
            self._tools += kind == "tool-call-start"
            return self._chunk({"tool_calls": [{"index": self._tools, **message["tool_calls"]}]})
        if kind == "message-end":
            finish = _finish(delta.get("finish_reason"), said=delta.get("error"), provider=self._provider)
            self.is_finished, counts = True, _usage(delta.get("usage"))
            if usage_of(given=counts, provider=self._provider) and counts is not None:
                counts["total_tokens"] = counts["prompt_tokens"] + counts["completion_tokens"]
                self.usage = {**self._frame, "choices": [], "usage": counts}
            return self._chunk({}, finish)
        return None

    def _words(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        words = {ours: content[theirs] for theirs, ours in (("text", "content"), ("thinking", "reasoning_content")) if content.get(theirs)}
        return self._chunk(words) if words else None

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {**self._frame, "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish_reason}]}
