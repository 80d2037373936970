"""Old names of models, and the present models that answer to them where a tenant has no model of the very name."""

from collections.abc import Iterable, Mapping

__all__ = ["OLD_NAMES", "aliases_among", "replacement_of"]

OLD_NAMES: Mapping[str, str] = {
    "gpt-3.5-turbo": "gpt-5.6-luna", "gpt-4o-mini": "gpt-5.6-luna", "gpt-4.1-mini": "gpt-5.6-luna", "gpt-4": "gpt-5.6-terra",
    "gpt-4-turbo": "gpt-5.6-terra", "gpt-4o": "gpt-5.6-terra", "gpt-4.1": "gpt-5.6-terra",
    "claude-3-haiku": "claude-haiku-5-5", "claude-3-5-haiku": "claude-haiku-5-5", "claude-3-sonnet": "claude-sonnet-5-5",
    "claude-3-5-sonnet": "claude-sonnet-5-5", "claude-3-7-sonnet": "claude-sonnet-5-5", "claude-3-opus": "claude-sonnet-5-5",
    "llama-3.1-8b-instant": "openai/gpt-oss-20b", "llama-3.1-70b-versatile": "openai/gpt-oss-120b",
    "llama-3.3-70b-versatile": "openai/gpt-oss-120b", "mixtral-8x7b-32768": "openai/gpt-oss-20b",
    "deepseek-chat": "deepseek-v4-flash", "deepseek-coder": "deepseek-v4-flash", "deepseek-reasoner": "deepseek-v4-pro",
    "gemini-1.5-flash": "gemini-3.5-flash-lite", "gemini-2.0-flash": "gemini-3.5-flash-lite", "gemini-1.5-pro": "gemini-3.8-flash",
    "command-r": "command-r7b-12-2024", "command-r-plus": "command-a-03-2025",
}  # fmt: skip
"""By what they were for: a draft's name leads to a draft's, a strong one's to a strong one's. Each target is in SUPPORTED_PROVIDERS."""


def aliases_among(places: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return, for a tenant's models given as (its own name, the provider's name), which of them answers to each old name.

    An old name that the tenant itself uses is no alias. Worked example: a tenant that has only `fast`, which is the provider's
    gpt-5.6-luna, gets {"gpt-3.5-turbo": "fast", "gpt-4o-mini": "fast", "gpt-4.1-mini": "fast"}.
    """
    own: set[str] = set()
    by_place: dict[str, str] = {}
    for name, upstream in places:
        own.add(name)
        by_place.setdefault(upstream, name)
    found = {old: present if present in own else by_place.get(present, "") for old, present in OLD_NAMES.items() if old not in own}
    return {old: name for old, name in found.items() if name}


def replacement_of(name: str, upstream: str, *, places: Iterable[tuple[str, str]]) -> str:
    """Return the present model that takes the place of an old one: the tenant's name of it where the tenant has it, "" where none is known.

    `places` are as in `aliases_among`. Worked example: gpt-4o is replaced by `best` for a tenant that calls gpt-5.6-terra so.
    """
    present = OLD_NAMES.get(upstream) or OLD_NAMES.get(name, "")
    return next((own for own, theirs in places if present and present in (own, theirs)), present)
