"""OpenAI's chat completion format as it comes over the wire: typed, checked and turned into our values.

Providers are believed only as far as they make sense: what decides money (usage) and what is served (the message) is
checked here, for whole answers and for chunks.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from billing.engine.pricing import Usage
from cascade.engine.errors import InvalidRequest, ProviderBroken
from cascade.engine.providers.upstream_errors import upstream_text
from cascade.engine.values import Completion, CompletionRequest

__all__ = ["decode_answer", "decode_chunk", "encode_request", "usage_of"]

ABSURD_TOKENS = 1_000_000_000
GIVEN_BY_US = ("n", "stream", "stream_options", "max_tokens", "max_completion_tokens")
FINISH_REASONS = {"eos": "stop", "insufficient_system_resource": "length"}
"""Together's word for a natural end, and DeepSeek's for an answer that it cut off for want of machines, in OpenAI's words."""


class PromptDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(Struct):
    reasoning_tokens: int | None = None


class UsageOnWire(Struct):
    """The usage object; the last three are DeepSeek's and Together's names for cached input, and Anthropic's for cache writes."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class Choice(Struct):
    message: dict[str, Any] | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class AnswerOnWire(Struct):
    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    model: str | None = None
    id: str | None = None
    system_fingerprint: str | None = None
    error: Any = None


ANSWER = msgspec.json.Decoder(AnswerOnWire)
OBJECT = msgspec.json.Decoder(dict[str, Any])
REQUEST = msgspec.json.Encoder()
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode_request(*, request: CompletionRequest, stream: bool) -> bytes:
    """Return the request's body. The output cap and `n` = 1 are ours, whatever the caller's parameters say."""
    given = request.parameters
    body: dict[str, Any] = {**given}
    for name in GIVEN_BY_US:
        body.pop(name, None)
    body["model"] = request.model.upstream_name
    body["messages"] = request.messages
    body[request.model.cap_parameter] = request.max_tokens
    if request.user is not None:
        body["user"] = request.user
    if stream:
        body["stream"] = True
        body["stream_options"] = {**(given.get("stream_options") or {}), "include_usage": True}
    try:
        return REQUEST.encode(body)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise InvalidRequest("the request holds a value that cannot be written as JSON") from wrong


def decode_answer(*, body: bytes, provider: str) -> Completion:
    """Return the completion that a 200 answer holds. Raises ProviderBroken when it holds none."""
    try:
        answer = ANSWER.decode(body)
    except UNDECODABLE as wrong:
        raise ProviderBroken(f"{provider} answered with something that is no chat completion", provider=provider) from wrong
    if not answer.choices:
        said = upstream_text(answer.error)
        raise ProviderBroken(f"{provider} answered without a choice{said}", provider=provider, upstream_status=200)
    choice = answer.choices[0]
    message = choice.message
    if not message or is_empty(message, choice.finish_reason):
        raise ProviderBroken(f"{provider} answered with an empty message", provider=provider, upstream_status=200)
    if not isinstance(message.get("tool_calls") or [], list):
        raise ProviderBroken(f"{provider} answered with tool calls that cannot be read", provider=provider, upstream_status=200)
    return Completion(
        message=message,
        finish_reason=finish_reason_of(choice.finish_reason) or ("tool_calls" if message.get("tool_calls") else "stop"),
        usage=usage_of(given=answer.usage, provider=provider),
        model=answer.model or "",
        request_id=answer.id,
        logprobs=choice.logprobs,
        system_fingerprint=answer.system_fingerprint,
    )


def finish_reason_of(given: str | None) -> str | None:
    return FINISH_REASONS.get(given, given) if given is not None else None


def is_empty(message: Mapping[str, Any], finish_reason: str | None) -> bool:
    """Does the message hold nothing at all? One cut short while still thinking is honest: its usage is real and must be booked."""
    if finish_reason in ("length", "content_filter"):
        return False
    return not any(value for key, value in message.items() if key != "role")


def usage_of(*, given: Mapping[str, Any] | None, provider: str) -> Usage | None:
    """Return the counts of a usage object, as it stands in an answer or a chunk; None when the provider reported none.

    Raises ProviderBroken when the counts cannot be read or cannot be true.
    """
    if given is None:
        return None
    try:
        wire = msgspec.convert(given, UsageOnWire)
    except msgspec.ValidationError as wrong:
        raise ProviderBroken(f"{provider} reported token counts that cannot be read", provider=provider, upstream_status=200) from wrong
    prompt, completion = wire.prompt_tokens_details or PromptDetails(), wire.completion_tokens_details or CompletionDetails()
    usage = Usage(
        input_tokens=wire.prompt_tokens,
        output_tokens=wire.completion_tokens,
        cached_input_tokens=prompt.cached_tokens or wire.prompt_cache_hit_tokens or wire.cached_tokens or 0,
        cache_write_tokens=prompt.cache_write_tokens or wire.cache_creation_input_tokens or 0,
        reasoning_tokens=completion.reasoning_tokens or 0,
    )
    if not usage.is_sane or max(usage.input_tokens, usage.output_tokens) > ABSURD_TOKENS:
        raise ProviderBroken(f"{provider} reported token counts that cannot be true", provider=provider, upstream_status=200)
    return usage


def decode_chunk(*, payload: bytes, provider: str) -> dict[str, Any]:
    """Return one chunk of a stream in OpenAI's words. Raises ProviderBroken for garbage, an error in mid-stream and impossible usage.

    Groq tells counts and errors in an object of its own, `x_groq`: they are read there where they stand nowhere else.
    """
    try:
        chunk = OBJECT.decode(payload)
    except UNDECODABLE as wrong:
        raise ProviderBroken(f"{provider} sent a chunk that is no chat completion chunk", provider=provider) from wrong
    groq = chunk["x_groq"] if isinstance(chunk.get("x_groq"), dict) else {}
    if failure := chunk.get("error") or groq.get("error"):
        raise ProviderBroken(f"{provider} failed in mid-stream{upstream_text(failure)}", provider=provider)
    if groq.get("usage") and not chunk.get("usage"):
        chunk["usage"] = groq["usage"]
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise ProviderBroken(f"{provider} sent a chunk without choices", provider=provider)
    for choice in choices:
        if isinstance(choice.get("finish_reason"), str):
            choice["finish_reason"] = finish_reason_of(choice["finish_reason"])
    usage_of(given=chunk.get("usage"), provider=provider)
    return chunk
