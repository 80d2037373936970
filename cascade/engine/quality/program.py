"""What a Python program looks like, from its syntax tree: nothing is run."""

import ast
import builtins

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.python_source import python_of

__all__ = ["program_of", "shape_of"]

_BUILT_IN = frozenset(dir(builtins)) | {"__name__", "__file__"}
_UNPARSED = {"undefined names": 0.0, "returns nothing": 0.0, "unused arguments": 0.0, "may return None": 0.0, "calls": 0.0, "branches": 0.0}


def program_of(draft: Draft) -> str:
    """Return the first program of the draft: its first fence, or what follows the first definition."""
    if draft.code_blocks:
        return draft.code_blocks[0].source
    start = draft.text.find("def ")
    return draft.text[max(start, 0) :]


def shape_of(draft: Draft, source: str) -> dict[str, float]:
    """Return measurements of the first function of `source`; all 0 where it is no Python that parses.

    Worked example: "def f(a, b): return a + c" uses `c`, which nobody defines, and not its argument `b`: undefined names 1, unused
    arguments 1.
    """
    tree = python_of(draft, source)[0] if "def " in source else None
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None) if tree else None
    if tree is None or function is None:
        return _UNPARSED
    own, rest = list(ast.walk(function)), [node for part in tree.body if part is not function for node in ast.walk(part)]
    returns = [node.value for node in own if type(node) is ast.Return or type(node) is ast.Yield]
    loaded, defined = _names([*own, *rest])
    used = {node.id for node in own if type(node) is ast.Name}
    return {
        "undefined names": float(not loaded - defined <= _BUILT_IN),
        "returns nothing": float(all(value is None for value in returns)),
        "unused arguments": float(any(argument.arg not in used for argument in function.args.args)),
        "may return None": float(any(value is None or _is_none(value) for value in returns)),
        "calls": min(sum(type(node) is ast.Call for node in own), 8),
        "branches": min(sum(type(node) is ast.If for node in own), 6),
    }


def _names(nodes: list[ast.AST]) -> tuple[set[str], set[str]]:
    """Return the names that are used and those that are defined anywhere."""
    loaded: set[str] = set()
    defined: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name):
            (loaded if type(node.ctx) is ast.Load else defined).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            defined.add(node.name)
    return loaded, defined


def _is_none(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is None
