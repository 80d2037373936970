"""What a syntax tree says is wrong: the places that the grammar had to skip, and the signs that it had to think of."""

from collections.abc import Iterator
from time import thread_time
from typing import TYPE_CHECKING

from cascade.engine.quality.faults import Fault

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

__all__ = ["faults_in"]


def faults_in(tree: "Tree", *, most: int, until: float) -> list[Fault] | None:
    """Return the faults in the order of the text, or None where they, or their lines, are more than `most` or the time is over.

    `until` is of `time.thread_time`.
    """
    found: list[Fault] = []
    lines: set[int] = set()
    to_see = [tree.root_node]
    while to_see:
        node = to_see.pop()
        children = node.children
        if node.is_missing or node.is_error:
            found.append(_fault(node))
            lines.update(_unread_lines(node, children))
        if max(len(found), len(lines)) > most or thread_time() > until:
            return None
        to_see += [child for child in reversed(children) if child.has_error]
    return found


def _unread_lines(node: "Node", children: "list[Node]") -> Iterator[int]:
    """Yield the lines of the signs that found no place; what was read within a skipped part is no fault."""
    yield node.start_point.row
    yield from (child.start_point.row for child in children if not child.child_count and not child.is_extra)


def _fault(node: "Node") -> Fault:
    line = node.start_point.row + 1
    if node.is_missing:
        return Fault(line, f"missing {_name(node)}")
    only = node.child(0) if node.child_count == 1 else None
    if only is not None and not only.child_count:
        return Fault(only.start_point.row + 1, f"unexpected {_name(only)}")
    return Fault(line, "a part that cannot be read")


def _name(node: "Node") -> str:
    """Return a sign or keyword as it is written, and the kind of anything else: names and texts are the draft's own."""
    if node.type == "\n":
        return "line break"
    return node.type.replace("_", " ") if node.is_named else f"`{node.type}`"
