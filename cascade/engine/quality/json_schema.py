"""A small subset of JSON Schema, enough for structured outputs and tool arguments, that cannot be made to work for long.

Checked: type, enum, const, properties, required, additionalProperties, items, prefixItems, the minimum and maximum of numbers, lengths
and item counts, anyOf, oneOf, allOf, not, and `$ref` within the document. `pattern` and `format` are passed over on purpose: patterns
come from tenants, and a regular expression of a stranger can hang a worker. The package `jsonschema` was weighed and left: it builds
a validator in milliseconds per schema, runs those patterns and may follow a remote `$ref`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["schema_fault"]

MAX_VISITS = 10_000
MAX_DEPTH = 64

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: (isinstance(v, int) and not isinstance(v, bool)) or (isinstance(v, float) and v.is_integer()),
}
_BOUNDS: tuple[tuple[str, type | tuple[type, ...], Callable[[Any, Any], bool], str], ...] = (
    ("minimum", (int, float), lambda v, bound: v >= bound, "at least"),
    ("maximum", (int, float), lambda v, bound: v <= bound, "at most"),
    ("exclusiveMinimum", (int, float), lambda v, bound: v > bound, "more than"),
    ("exclusiveMaximum", (int, float), lambda v, bound: v < bound, "less than"),
    ("minLength", str, lambda v, bound: len(v) >= bound, "of a length of at least"),
    ("maxLength", str, lambda v, bound: len(v) <= bound, "of a length of at most"),
    ("minItems", list, lambda v, bound: len(v) >= bound, "a list of at least"),
    ("maxItems", list, lambda v, bound: len(v) <= bound, "a list of at most"),
)


class _GaveUp(Exception):
    """The schema or value is too large or too deep to check in full."""


def schema_fault(value: object, *, schema: Mapping[str, Any]) -> str:
    """Return the first fault of `value` under `schema` in words, or "" when there is none (or it is too large to check in full).

    Looks at no more than 10,000 places, 64 levels deep.
    Worked example: {"age": "7"} under {"properties": {"age": {"type": "integer"}}} gives "$.age should be integer".
    """
    try:
        return next(iter(_Checker(schema).faults(value, schema, "$", 0)), "")
    except (_GaveUp, RecursionError):
        return ""


class _Checker:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root, self._visits = root, 0

    def faults(self, value: Any, schema: Any, path: str, depth: int) -> Iterable[str]:
        self._visits += 1
        if self._visits > MAX_VISITS or depth > MAX_DEPTH:
            raise _GaveUp
        if schema is False:
            yield f"{path} should not be there"
        if not isinstance(schema, Mapping):
            return
        if isinstance(ref := schema.get("$ref"), str):
            yield from self.faults(value, self._resolve(ref), path, depth + 1)
        yield from self._plain_faults(value, schema, path)
        yield from self._combined_faults(value, schema, path, depth + 1)
        if isinstance(value, dict):
            yield from self._object_faults(value, schema, path, depth + 1)
        elif isinstance(value, list):
            yield from self._array_faults(value, schema, path, depth + 1)

    def _resolve(self, ref: str) -> Any:
        place: Any = self._root
        for part in ref.lstrip("#").strip("/").split("/") if ref.strip("#/") else ():
            place = place.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(place, Mapping) else None
        return place

    def _plain_faults(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterable[str]:
        wanted = schema.get("type")
        names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
        if names and not any(_TYPES[name](value) for name in names if isinstance(name, str) and name in _TYPES):
            yield f"{path} should be {' or '.join(map(str, names))}"
        if isinstance(options := schema.get("enum"), list) and not any(_same(value, option) for option in options):
            yield f"{path} should be one of {', '.join(map(repr, options[:6]))}"
        if "const" in schema and not _same(value, schema["const"]):
            yield f"{path} should be {schema['const']!r}"
        for key, kind, holds, words in _BOUNDS:
            bound = schema.get(key)
            if _TYPES["number"](bound) and isinstance(value, kind) and not isinstance(value, bool) and not holds(value, bound):
                yield f"{path} should be {words} {bound}"

    def _combined_faults(self, value: Any, schema: Mapping[str, Any], path: str, depth: int) -> Iterable[str]:
        for part in _listed(schema.get("allOf")):
            yield from self.faults(value, part, path, depth)
        options = _listed(schema.get("anyOf"))
        if options and not any(self._fits(value, option, path, depth) for option in options):
            yield f"{path} fits none of the {len(options)} allowed forms"
        choices = _listed(schema.get("oneOf"))
        if choices and (fitting := sum(self._fits(value, choice, path, depth) for choice in choices)) != 1:
            yield f"{path} fits {fitting or 'none'} of the {len(choices)} forms of which it should fit one"
        if "not" in schema and self._fits(value, schema["not"], path, depth):
            yield f"{path} has a form that is excluded"

    def _fits(self, value: Any, schema: Any, path: str, depth: int) -> bool:
        return next(iter(self.faults(value, schema, path, depth)), None) is None

    def _object_faults(self, value: dict[str, Any], schema: Mapping[str, Any], path: str, depth: int) -> Iterable[str]:
        known = schema.get("properties")
        properties: Mapping[str, Any] = known if isinstance(known, Mapping) else {}
        for name in _listed(schema.get("required")):
            if isinstance(name, str) and name not in value:
                yield f"{path}.{name} is missing"
        extra = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in properties:
                yield from self.faults(item, properties[name], f"{path}.{name}", depth)
            elif extra is not True:
                yield from self.faults(item, extra, f"{path}.{name}", depth)

    def _array_faults(self, value: list[Any], schema: Mapping[str, Any], path: str, depth: int) -> Iterable[str]:
        first = _listed(schema.get("prefixItems"))
        for index, item in enumerate(value):
            if index < len(first):
                yield from self.faults(item, first[index], f"{path}[{index}]", depth)
            elif "items" in schema:
                yield from self.faults(item, schema["items"], f"{path}[{index}]", depth)


def _listed(part: object) -> list[Any]:
    return part if isinstance(part, list) else []


def _same(value: object, other: object) -> bool:
    # In JSON true is not 1, in Python it is.
    return isinstance(value, bool) == isinstance(other, bool) and value == other
