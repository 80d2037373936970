"""OpenAI's chat completion format as it comes over the wire: typed, checked and turned into our values.

Providers are believed only as far as they make sense: what decides money (usage) and what is served (the message) is
checked here, for whole answers and for chunks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from billing.engine.pricing import Usage
from cascade.engine.errors import (
    InvalidRequest,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
)
from cascade.engine.values import Completion, CompletionRequest

__all__ = ["decode_answer", "decode_chunk", "encode_request", "refusal", "shorten", "usage_of"]

MAX_UPSTREAM_TEXT = 300
ABSURD_TOKENS = 1_000_000_000
REFUSED_BUT_MAYBE_WORKED = frozenset({408, 504})
"""Somebody's deadline passed on the way: the model may have done the work, and the provider may bill it."""
GIVEN_BY_US = ("n", "stream", "stream_options", "max_tokens", "max_completion_tokens")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\s]+")
KEY_LIKE = re.compile(
    r"(?i)\bbearer\s+\S+"
    r"|\b(?:sk|gsk|fw|tgp|hf|xai)[-_][\w*.\-]{6,}"
    r"|\b[\w\-]{3,}\*{3,}\S*"  # OpenAI shows both ends of a wrong key
    r"|\b\S{40,}"
)


class PromptDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(Struct):
    reasoning_tokens: int | None = None


class UsageOnWire(Struct):
    """The usage object; the last two fields are DeepSeek's name for cached input and Anthropic's for cache writes."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
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
        finish_reason=choice.finish_reason or ("tool_calls" if message.get("tool_calls") else "stop"),
        usage=usage_of(given=answer.usage, provider=provider),
        model=answer.model or "",
        request_id=answer.id,
        logprobs=choice.logprobs,
        system_fingerprint=answer.system_fingerprint,
    )


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
        cached_input_tokens=prompt.cached_tokens or wire.prompt_cache_hit_tokens or 0,
        cache_write_tokens=prompt.cache_write_tokens or wire.cache_creation_input_tokens or 0,
        reasoning_tokens=completion.reasoning_tokens or 0,
    )
    if not usage.is_sane or max(usage.input_tokens, usage.output_tokens) > ABSURD_TOKENS:
        raise ProviderBroken(f"{provider} reported token counts that cannot be true", provider=provider, upstream_status=200)
    return usage


def decode_chunk(*, payload: bytes, provider: str) -> dict[str, Any]:
    """Return one chunk of a stream. Raises ProviderBroken for garbage, an error in mid-stream and impossible usage."""
    try:
        chunk = OBJECT.decode(payload)
    except UNDECODABLE as wrong:
        raise ProviderBroken(f"{provider} sent a chunk that is no chat completion chunk", provider=provider) from wrong
    if chunk.get("error"):
        raise ProviderBroken(f"{provider} failed in mid-stream{upstream_text(chunk['error'])}", provider=provider)
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise ProviderBroken(f"{provider} sent a chunk without choices", provider=provider)
    usage_of(given=chunk.get("usage"), provider=provider)
    return chunk


def refusal(*, status: int, headers: Mapping[str, str], body: bytes, provider: str, secrets: Sequence[str] = ()) -> ProviderError:
    """Return the error for an answer other than 200. The upstream's own words are cleaned, shortened and free of `secrets`."""
    said = upstream_text(error_of(body), secrets=secrets)
    text = f"{provider} answered with status {status}{said}"
    if status == 429:
        wait_s = retry_after_s(headers)
        return ProviderRateLimited(text, provider=provider, upstream_status=status, retry_after_s=wait_s)
    if status in REFUSED_BUT_MAYBE_WORKED:
        return ProviderTimeout(text, provider=provider, upstream_status=status)
    if 400 <= status < 500:
        return ProviderRefused(text, provider=provider, upstream_status=status)
    if status >= 500:
        return ProviderFailed(text, provider=provider, upstream_status=status, retry_after_s=retry_after_s(headers))
    if 300 <= status < 400:
        text += "; redirects are not followed, check the base URL"
    return ProviderBroken(text, provider=provider, upstream_status=status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return Retry-After in seconds. Its date form is passed over: it takes a clock, and the engine has none."""
    given = headers.get("Retry-After", "").strip()
    return float(given) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", given, re.ASCII) else None


def error_of(body: bytes) -> Any:
    """Return the error object of a refusal, in any of the shapes in use; pages and the like give None."""
    try:
        envelope = OBJECT.decode(body)
    except UNDECODABLE:
        return None
    return envelope.get("error") or envelope.get("message") or envelope.get("detail")


def upstream_text(error: Any, *, secrets: Sequence[str] = ()) -> str:
    """Return ": <message>" from an error object or text, or nothing."""
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str) or not message.strip():
        return ""
    return ": " + shorten(message, secrets=secrets)


def shorten(text: str, *, secrets: Sequence[str] = ()) -> str:
    """Return text fit for an error message: one line, no credential, at most 300 characters."""
    text = text[: 20 * MAX_UPSTREAM_TEXT]
    for secret in secrets:
        text = text.replace(secret, "[key]")
    text = CONTROLS.sub(" ", KEY_LIKE.sub("[key]", text)).strip()
    return text if len(text) <= MAX_UPSTREAM_TEXT else text[: MAX_UPSTREAM_TEXT - 1] + "…"
