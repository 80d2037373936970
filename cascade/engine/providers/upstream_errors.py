"""What a provider's "no" means: which error it is, what it is about, and its own words, cleaned."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cascade.engine.errors import (
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    RefusalAbout,
)
from cascade.engine.providers.retry_after import retry_after_s

__all__ = ["refusal", "shorten", "upstream_text"]

MAX_UPSTREAM_TEXT = 300
REFUSED_BUT_MAYBE_WORKED = frozenset({408, 504})
"""Somebody's deadline passed on the way: the model may have done the work, and the provider may bill it."""
BODY = msgspec.json.Decoder()
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\s]+")
KEY_LIKE = re.compile(
    r"(?i)\bbearer\s+\S+"
    r"|\b(?:sk|gsk|fw|tgp|hf|xai)[-_][\w*.\-]{6,}"
    r"|\b[\w\-]{3,}\*{3,}\S*"  # OpenAI shows both ends of a wrong key
    r"|\b\S{40,}"
)
ABOUT_STATUS: Mapping[int, RefusalAbout] = {401: "key", 402: "account", 403: "key", 404: "model"}
ABOUT_CODE: Mapping[str, RefusalAbout] = {
    "model_not_found": "model", "model_decommissioned": "model", "insufficient_quota": "account", "billing_error": "account",
    "API_KEY_INVALID": "key", "invalid_api_key": "key",
}  # fmt: skip
ABOUT_WORDS: Sequence[tuple[str, RefusalAbout]] = (
    ("credit balance is too low", "account"), ("insufficient balance", "account"), ("model not exist", "model"),
)
"""Said with a status and a code that would mean the request: by Anthropic, and by DeepSeek."""


def refusal(*, status: int, headers: Mapping[str, str], body: bytes, provider: str, secrets: Sequence[str] = ()) -> ProviderError:
    """Return the error for an answer other than 200. The upstream's own words are cleaned, shortened and free of `secrets`."""
    error = error_of(body)
    text = f"{provider} answered with status {status}{upstream_text(error, secrets=secrets)}"
    if status in REFUSED_BUT_MAYBE_WORKED:
        return ProviderTimeout(text, provider=provider, upstream_status=status)
    if status == 429 and about(status=status, error=error) != "account":
        return ProviderRateLimited(text, provider=provider, upstream_status=status, retry_after_s=retry_after_s(headers, error=error))
    if 400 <= status < 500:
        refused = ProviderRefused(text, provider=provider, upstream_status=status)
        refused.about = about(status=status, error=error)
        return refused
    if status >= 500:
        return ProviderFailed(text, provider=provider, upstream_status=status, retry_after_s=retry_after_s(headers, error=error))
    if 300 <= status < 400:
        text += "; redirects are not followed, check the base URL"
    return ProviderBroken(text, provider=provider, upstream_status=status)


def about(*, status: int, error: Any) -> RefusalAbout:
    """Return what a refusal is about: by the codes in its body, by words of those that give no code, else by its status."""
    by_code = next((ABOUT_CODE[code] for code in _codes(error) if code in ABOUT_CODE), None)
    words = str(error.get("message") if isinstance(error, dict) else error).lower()
    by_words = next((meant for said, meant in ABOUT_WORDS if said in words), None)
    return by_code or by_words or ABOUT_STATUS.get(status, "request")


def _codes(error: Any) -> Iterator[str]:
    if not isinstance(error, dict):
        return
    details = error.get("details")
    for part in (error, *(details if isinstance(details, list) else ())):
        if isinstance(part, dict):
            yield from (part[name] for name in ("code", "type", "reason") if isinstance(part.get(name), str))


def error_of(body: bytes) -> Any:
    """Return the error object of a refusal, in any of the shapes in use; pages and the like give None."""
    try:
        envelope = BODY.decode(body)
    except UNDECODABLE:
        return None
    if isinstance(envelope, list) and envelope:  # Google's, where a stream was asked for
        envelope = envelope[0]
    if not isinstance(envelope, dict):
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
