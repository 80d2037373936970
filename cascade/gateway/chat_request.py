"""The body of POST /v1/chat/completions: parsed once, checked field by field, turned into a RunRequest."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from billing.engine.money import InvalidAmount, to_nusd
from cascade.engine.plans import CascadeRequest
from cascade.gateway.errors import HttpError
from cascade.services import RunRequest
from cascade.telemetry.context import trace_context
from tenants.authentication import Caller

Json = dict[str, Any]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=64)]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]
MOST_TAGS = 10


class CascadeField(Struct, kw_only=True, forbid_unknown_fields=True):
    """Our own extension of the body: `cascadeflow`. Headers say the same; the body wins."""

    tier: Label | None = None
    domain: Label | None = None
    tags: Annotated[list[Tag], Meta(max_length=MOST_TAGS)] | None = None
    max_cost: str | None = None
    """USD, as a decimal string: the most that this run may hold."""


class ChatBody(Struct, kw_only=True):
    """Every field that OpenAI documents for chat completions, with the type it documents."""

    model: Name
    messages: Annotated[list[Json], Meta(min_length=1, max_length=10_000)]
    cascadeflow: CascadeField | None = None
    stream: bool | None = None
    stream_options: Json | None = None
    user: Annotated[str, Meta(max_length=255)] | None = None
    safety_identifier: str | None = None
    n: int | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Json] | None = None
    function_call: str | Json | None = None
    response_format: Json | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    prediction: Json | None = None
    service_tier: str | None = None
    modalities: list[str] | None = None
    audio: Json | None = None
    web_search_options: Json | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


OURS = frozenset({"model", "messages", "cascadeflow", "stream", "stream_options", "user", "n", "max_tokens", "max_completion_tokens"})
DOCUMENTED = frozenset(ChatBody.__struct_fields__)
COST_WITHOUT_BOUND = frozenset({"prediction", "audio", "web_search_options"})
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_decoder = msgspec.json.Decoder(dict[str, Any], strict=True)


class ChatCall(Struct, frozen=True, kw_only=True):
    run: RunRequest
    stream: bool
    include_usage: bool
    model_asked: str


def parse_chat(body: bytes, *, headers: Mapping[str, str], caller: Caller) -> ChatCall:
    """Return the call that the body and headers ask for. Raises HttpError 400 that names the field and what it must be."""
    given = _decode(body)
    try:
        chat = msgspec.convert(given, ChatBody, strict=True)
    except msgspec.ValidationError as wrong:
        message, param = readable(wrong)
        raise HttpError(400, message, code="invalid_type", param=param) from wrong
    _check(given, chat, caller)
    ours = chat.cascadeflow or CascadeField()
    cascade = CascadeRequest(
        messages=chat.messages, model=chat.model, max_tokens=chat.max_completion_tokens or chat.max_tokens,
        parameters={name: value for name, value in given.items() if name not in OURS and value is not None},
        domain=ours.domain or headers.get("x-cascadeflow-domain") or None, tier=ours.tier or headers.get("x-cascadeflow-tier") or None,
        max_cost_nusd=_amount(ours.max_cost),
    )
    return ChatCall(
        run=RunRequest(
            cascade=cascade, user_id=chat.user or None, tags=_tags(ours, headers),
            unpriced_fields=tuple(f"the field '{name}'" for name in _without_bound(given)), trace=trace_context(headers),
        ),
        stream=bool(chat.stream), include_usage=bool((chat.stream_options or {}).get("include_usage")), model_asked=chat.model,
    )


def readable(wrong: msgspec.ValidationError) -> tuple[str, str | None]:
    """Return msgspec's finding as a sentence, and the field that it is about."""
    text, _, path = str(wrong).partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or None
    if text.startswith("Object missing required field"):
        field = text.split("`")[1]
        return f"The field '{field}' is missing.", field
    return (f"The field '{field}' is wrong: {text[0].lower()}{text[1:]}." if field else f"The body is wrong: {text}."), field


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return _decoder.decode(body)
    except (msgspec.ValidationError, RecursionError) as wrong:
        what = "nested too deeply" if isinstance(wrong, RecursionError) else "not a JSON object"
        raise HttpError(400, f"The body is {what}. Send one JSON object with 'model' and 'messages'.", code="invalid_json") from wrong
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise HttpError(400, f"The body is not valid JSON: {str(wrong)[:200]}.", code="invalid_json") from wrong


def _check(given: Mapping[str, Any], chat: ChatBody, caller: Caller) -> None:
    unknown = sorted(given.keys() - DOCUMENTED)
    if unknown and not caller.allow_undocumented_fields:
        raise HttpError(
            400, f"The field '{unknown[0][:64]}' is not documented by OpenAI, so its cost is unknown. Leave it out, or have an operator "
            "switch on 'pass undocumented fields' for this account.", code="unknown_field", param=unknown[0][:64],
        )  # fmt: skip
    if chat.n not in (None, 1):
        raise HttpError(400, "Only n = 1 is supported: a cascade answers once. Send several requests instead.", code="unsupported_value", param="n")
    for number, message in enumerate(chat.messages):
        if message.get("role") not in ROLES:
            raise HttpError(
                400, f"messages[{number}].role must be one of {', '.join(sorted(ROLES))}.", code="invalid_value", param=f"messages[{number}].role"
            )
        if not isinstance(message.get("content"), str | list | None):
            raise HttpError(
                400, f"messages[{number}].content must be a string or a list of parts.", code="invalid_type", param=f"messages[{number}].content"
            )
    if chat.user and not chat.user.strip():
        raise HttpError(400, "The field 'user' must be the end user's id, or be left out.", code="invalid_value", param="user")


def _without_bound(given: Mapping[str, Any]) -> list[str]:
    """Fields that change the price by what no hold can bound. Refused by name wherever a budget stops calls, else passed on."""
    found = [name for name in sorted(COST_WITHOUT_BOUND) if given.get(name)]
    if given.get("service_tier") not in (None, "auto", "default"):
        found.append("service_tier")
    if "audio" in (given.get("modalities") or ()):
        found.append("modalities")
    return found + sorted(name for name in given if name not in DOCUMENTED)


def _amount(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        amount = to_nusd(text)
    except InvalidAmount as wrong:
        raise HttpError(400, f"cascadeflow.max_cost: {wrong}.", code="invalid_value", param="cascadeflow.max_cost") from wrong
    if amount < 0:
        raise HttpError(400, "cascadeflow.max_cost must not be negative.", code="invalid_value", param="cascadeflow.max_cost")
    return amount


def _tags(ours: CascadeField, headers: Mapping[str, str]) -> tuple[str, ...]:
    if ours.tags is not None:
        return tuple(dict.fromkeys(ours.tags))
    tags = tuple(dict.fromkeys(tag.strip()[:100] for tag in headers.get("x-cascadeflow-tags", "").split(",") if tag.strip()))
    if len(tags) > MOST_TAGS:
        message = f"At most {MOST_TAGS} tags fit on a call; X-CascadeFlow-Tags has {len(tags)}."
        raise HttpError(400, message, code="invalid_value", param="X-CascadeFlow-Tags")
    return tags
