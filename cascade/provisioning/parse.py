"""YAML text to the typed structs of document.py, keeping line numbers and finding every error, not just the first."""

import types
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import yaml
from msgspec import Struct
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cascade.provisioning import scalars
from cascade.provisioning.document import WantedFile

NULL = "tag:yaml.org,2002:null"
TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map")}
"""What YAML gives to values by itself."""
PLAIN: dict[Any, Callable[[str], Any]] = {
    str: scalars.words_or_nothing(2000), int: scalars.whole_number, float: scalars.decimal_number, bool: scalars.truth,
}  # fmt: skip


class Problem(Struct, frozen=True, order=True):
    """One error of a file, where it stands."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class InvalidFile(Exception):
    """The file cannot be provisioned. `problems` has every error, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Text(str):
    """A text that knows the line it stands on."""

    __slots__ = ("line",)
    line: int


class _Wrong:
    """Stands in for a value that could not be read, so that the rest of the file is checked too. Equal to nothing but itself."""

    def __bool__(self) -> bool:
        return False


WRONG: Any = _Wrong()


def parse(text: str) -> tuple[WantedFile, list[Problem]]:
    """Return the file's content and its errors. Where there are errors, values that could not be read are WRONG."""
    reader = Reader()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        return WantedFile(), [Problem(mark.line + 1 if mark else 1, f"this is not YAML: {wrong.problem or wrong.context}")]
    except (yaml.YAMLError, RecursionError) as wrong:
        return WantedFile(), [Problem(1, f"this is not YAML: {str(wrong).splitlines()[0][:200]}")]
    if root is None:
        return WantedFile(), [Problem(1, "the file is empty: it needs 'tenants:' and below it at least one tenant")]
    read = reader.read(root, WantedFile, "the file")
    return (WantedFile() if read is WRONG else read), reader.problems


def did_you_mean(name: str, known: Iterable[str], *, label: str = "known are") -> str:
    """Return the end of an error message: the nearest name, or all of them."""
    names = sorted(set(map(str, known)))
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{label} {', '.join(names[:20])}" if names else "there are none yet"


class Reader:
    """Reads YAML nodes as the types that annotations ask for; collects problems instead of raising."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, node: Node, wanted: Any, key: str) -> Any:
        if node.tag not in TAGS:
            return self._wrong(node, f"{key}: tags such as {node.tag} are not read")
        origin = get_origin(wanted)
        if origin in (Union, types.UnionType):
            return self.read(node, next(part for part in get_args(wanted) if part is not type(None)), key)
        if origin in (list, tuple):
            return self._sequence(node, wanted, key)
        if isinstance(wanted, type) and issubclass(wanted, Struct):
            return self._struct(node, wanted, key)
        return self._scalar(node, wanted, key)

    def _struct(self, node: Node, wanted: type[Struct], key: str) -> Any:
        if not isinstance(node, MappingNode):
            return self._wrong(node, f"{key}: must be keys with values")
        fields = {field.name: field for field in msgspec.structs.fields(wanted)}
        has_line = fields.pop("line", None) is not None
        given: dict[str, Any] = {}
        for name_node, value in node.value:
            name = name_node.value if isinstance(name_node, ScalarNode) else ""
            if name not in fields:
                self._wrong(name_node, f"unknown key {str(name)[:60]!r}: {did_you_mean(str(name), fields, label='known here are')}")
            elif name in given:
                self._wrong(name_node, f"{name}: stands here twice")
            elif value.tag == NULL:
                given[name] = None
            else:
                given[name] = self.read(value, fields[name].type, name)
        given = {name: value for name, value in given.items() if value is not None}
        for name, field in fields.items():
            if field.required and name not in given:
                given[name] = self._wrong(node, f"{key}: {name!r} is missing")
        return wanted(**given, **({"line": _line(node)} if has_line else {}))

    def _sequence(self, node: Node, wanted: Any, key: str) -> Any:
        if not isinstance(node, SequenceNode):
            return self._wrong(node, f"{key}: must be a list", instead=get_origin(wanted)())
        items = [self.read(item, get_args(wanted)[0], key) for item in node.value]
        return get_origin(wanted)(item for item in items if item is not WRONG)

    def _scalar(self, node: Node, wanted: Any, key: str) -> Any:
        if not isinstance(node, ScalarNode):
            return self._wrong(node, f"{key}: must be one value, not a {'list' if isinstance(node, SequenceNode) else 'mapping'}")
        try:
            value = _converter(wanted)("" if node.tag == NULL else node.value)
        except ValueError as wrong:
            return self._wrong(node, f"{key}: {wrong}")
        if type(value) is str:
            value = Text(value)
            value.line = _line(node)
        return value

    def _wrong(self, node: Node, message: str, *, instead: Any = WRONG) -> Any:
        self.problems.append(Problem(_line(node), message))
        return instead


def _converter(wanted: Any) -> Callable[[str], Any]:
    if get_origin(wanted) is Annotated:
        converter: Callable[[str], Any] = wanted.__metadata__[0]
        return converter
    if get_origin(wanted) is Literal:
        return _one_of(get_args(wanted))
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return lambda text: wanted(_one_of([member.value for member in wanted])(text))
    return PLAIN[wanted]


def _one_of(choices: Iterable[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text[:60]!r} is not known: {did_you_mean(text, filter(None, choices), label='write one of')}")
        return text

    return read


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
