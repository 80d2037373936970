"""Do the draft's tool calls name offered tools, with arguments that parse and match?"""

from collections.abc import Mapping
from typing import Any

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.json_format import parse_json
from cascade.engine.quality.json_schema import schema_fault
from cascade.engine.values import Check

__all__ = ["check_tools"]
_PASSED = Check(name="tools", score=1.0)


def _offered(draft: Draft) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of the offered functions by name."""
    offered: dict[str, Mapping[str, Any]] = {}
    tools = draft.parameters.get("tools")
    for tool in tools if isinstance(tools, list | tuple) else ():
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            schema = function.get("parameters")
            offered[function["name"]] = schema if isinstance(schema, Mapping) else {}
    return offered


def _call_fault(call: object, offered: Mapping[str, Mapping[str, Any]]) -> str:
    if not isinstance(call, Mapping):
        return "A tool call is not an object"
    function = call.get("function")
    if not isinstance(function, Mapping):
        # Custom tools take free text: there is nothing to parse.
        return "" if call.get("type") == "custom" else "A tool call names no function"
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or name not in offered:
        return f"The draft calls {name!r}, which is not among the offered tools"
    value, why = parse_json(arguments if isinstance(arguments, str) and arguments.strip() else "{}")
    if why:
        return f"The arguments of {name!r} are not valid JSON: {why}"
    if not isinstance(value, dict):
        return f"The arguments of {name!r} are not a JSON object"
    fault = schema_fault(value, schema=offered[name])
    return f"The arguments of {name!r} do not match its schema: {fault}" if fault else ""


def _name_of(call: object) -> object:
    function = call.get("function") if isinstance(call, Mapping) else None
    return function.get("name") if isinstance(function, Mapping) else None


def _choice_fault(draft: Draft) -> str:
    choice = draft.parameters.get("tool_choice")
    named = choice.get("function") if isinstance(choice, Mapping) else None
    wanted = named.get("name") if isinstance(named, Mapping) else None
    calls = draft.completion.tool_calls
    if (choice == "required" or wanted) and not calls:
        return "A tool call was required and the draft has none"
    if choice == "none" and calls:
        return "The draft calls a tool although tool_choice is none"
    if wanted and any(_name_of(call) != wanted for call in calls):
        return f"The draft does not call {wanted!r}, as tool_choice demands"
    return ""


def check_tools(draft: Draft) -> Check:
    """Fail a draft whose tool calls could not be carried out, or that ignores `tool_choice`; reads `tools` and `tool_choice`."""
    fault = _choice_fault(draft)
    if not fault and draft.completion.tool_calls:
        offered = _offered(draft)
        fault = next((found for call in draft.completion.tool_calls if (found := _call_fault(call, offered))), "")
    return Check(name="tools", score=0.0, reason=fault, fatal=True) if fault else _PASSED
