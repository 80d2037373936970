"""Is the draft the JSON that was asked for?"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.json_schema import schema_fault
from cascade.engine.values import Check

__all__ = ["check_json", "parse_json"]

MAX_LOOSE_CHARS = 100_000
"""JSON that nobody asked for by `response_format` is not parsed beyond this: it takes the slow parser."""
_PASSED = Check(name="json", score=1.0)


def parse_json(text: str) -> tuple[Any, str]:
    """Return (value, "") or (None, why it is not JSON, in words).

    Strict: no fences, no comments, no NaN; the parser bounds the depth.
    """
    try:
        return msgspec.json.decode(text.strip()), ""
    except RecursionError:
        return None, "nested too deep"
    except UnicodeEncodeError:
        return None, "not valid Unicode"
    except msgspec.DecodeError as error:
        return None, str(error)


def _asked_schema(response_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wrapper = response_format.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def check_json(draft: Draft) -> Check:
    """Fail a draft that is not valid JSON, or not of the schema given, when `response_format` asked for it.

    Without `response_format`, a prompt that speaks of JSON makes a draft that is one JSON fence or object suspect when it does not parse.
    """
    response_format = draft.parameters.get("response_format")
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind not in ("json_object", "json_schema") or draft.calls_tools:
        return _check_unasked(draft)
    value, why = parse_json(draft.whole_text)
    if why:
        fenced = "it is wrapped in a code fence" if draft.stripped.startswith("```") else why
        return Check(name="json", score=0.0, reason=f"The draft is not valid JSON: {fenced}", fatal=True)
    if kind == "json_object" and not isinstance(value, dict):
        return Check(name="json", score=0.0, reason="The draft is JSON but not an object, as json_object asks", fatal=True)
    schema = _asked_schema(response_format) if isinstance(response_format, Mapping) else None
    fault = schema_fault(value, schema=schema) if kind == "json_schema" and schema is not None else ""
    if fault:
        return Check(name="json", score=0.0, reason=f"The draft's JSON does not match the schema: {fault}", fatal=True)
    return _PASSED


def _check_unasked(draft: Draft) -> Check:
    if "json" in draft.prompt_word_set and not draft.calls_tools:
        sources = [block.source for block in draft.code_blocks if block.language == "json"][:1]
        if not sources and draft.stripped.startswith("{"):
            sources = [draft.whole_text]
        for source in sources:
            if len(source) <= MAX_LOOSE_CHARS and (why := _loose_fault(source)):
                return Check(name="json", score=0.4, reason=f"The draft's JSON does not parse: {why}")
    return _PASSED


def _loose_fault(source: str) -> str:
    """Return why `source` is not even JSON for people, in whose strings lines may break, or ""."""
    try:
        json.loads(source, strict=False)
    except (ValueError, RecursionError) as error:
        return str(error)[:80]
    return ""
