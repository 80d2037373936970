"""Values that fit a JSON schema, for simulated JSON answers and tool calls."""

from collections.abc import Mapping
from typing import Any

__all__ = ["example_of"]

DEEPEST = 12
PLAIN_VALUES: Mapping[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
BY_FORMAT = {
    "date": "2026-01-15", "date-time": "2026-01-15T10:00:00Z", "time": "10:00:00Z", "email": "ann@example.com",
    "uri": "https://example.com/", "uuid": "00000000-0000-7000-8000-000000000000",
}  # fmt: skip


def example_of(schema: Any, *, text: str, root: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """Return a value that fits the schema. `text` is what its strings say. Knows the keywords that tools commonly use."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return text
    root = schema if root is None else root
    if "$ref" in schema:
        return example_of(resolved(schema["$ref"], root), text=text, root=root, depth=depth + 1)
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            return example_of(schema[keyword][0], text=text, root=root, depth=depth + 1)
    if schema.get("allOf"):
        return example_of(merged(schema["allOf"], root), text=text, root=root, depth=depth + 1)
    return by_type(schema, text=text, root=root, depth=depth)


def by_type(schema: Mapping[str, Any], *, text: str, root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        wanted = schema.get("required") or list(properties)
        return {name: example_of(properties.get(name, {}), text=text, root=root, depth=depth + 1) for name in wanted}
    if kind == "array":
        one = example_of(schema.get("items", {}), text=text, root=root, depth=depth + 1)
        return [one] * max(1, int(schema.get("minItems", 1)))
    if kind in ("integer", "number"):
        return number_within(schema, PLAIN_VALUES[kind])
    if kind == "string":
        return string_within(schema, text)
    return PLAIN_VALUES.get(kind, text)


def number_within(schema: Mapping[str, Any], plain: float) -> float:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and plain <= low:
        plain = low + (1 if "exclusiveMinimum" in schema else 0)
    if high is not None and plain >= high:
        plain = high - (1 if "exclusiveMaximum" in schema else 0)
    return plain


def string_within(schema: Mapping[str, Any], text: str) -> str:
    text = BY_FORMAT.get(schema.get("format", ""), text)
    text = text.ljust(int(schema.get("minLength", 0)), ".")
    return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def resolved(reference: str, root: Mapping[str, Any]) -> Any:
    """Follow a reference inside the document ("#/$defs/Name")."""
    place: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        place = place.get(part, {}) if isinstance(place, Mapping) and part else place
    return place


def merged(parts: list[Any], root: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {"properties": {}, "required": []}
    for part in parts:
        part = resolved(part["$ref"], root) if "$ref" in part else part
        whole["properties"].update(part.get("properties") or {})
        whole["required"].extend(part.get("required") or ())
    return whole if whole["properties"] else dict(parts[0])
