"""JSON, JSON Schema, tool calls."""

from collections.abc import Callable
from time import process_time
from typing import Any

import pytest

from cascade.engine.quality.draft import Draft
from cascade.engine.quality.json_format import check_json, parse_json
from cascade.engine.quality.json_schema import schema_fault
from cascade.engine.quality.tool_arguments import check_tools

MakeDraft = Callable[..., Draft]
OBJECT = {"response_format": {"type": "json_object"}}
AGE = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"], "additionalProperties": False}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}


def asked_for(schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def calling(name: str, arguments: str) -> list[dict[str, Any]]:
    return [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "truncated"), ("```json\n{}\n```", "code fence"), ("Sure: {}", "JSON"), ("[1]", "not an object"), ("NaN", "JSON")],
)
def test_text_that_is_not_the_asked_json_object_rejects(draft: MakeDraft, text: str, words: str) -> None:
    check = check_json(draft(text, parameters=OBJECT))
    assert check.fatal
    assert words in check.reason


def test_an_asked_json_object_passes(draft: MakeDraft) -> None:
    assert check_json(draft(' {"a": [1, null]} \n', parameters=OBJECT)).score == 1.0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"age": "7"}', "$.age should be integer"),
        ('{"age": true}', "$.age should be integer"),
        ("{}", "$.age is missing"),
        ('{"age": -1}', "$.age should be at least 0"),
        ('{"age": 1, "x": 2}', "$.x should not be there"),
    ],
)
def test_json_beside_its_schema_rejects_and_says_where(draft: MakeDraft, text: str, fault: str) -> None:
    check = check_json(draft(text, parameters=asked_for(AGE)))
    assert check.fatal
    assert check.reason == f"The draft's JSON does not match the schema: {fault}"


def test_json_of_its_schema_passes(draft: MakeDraft) -> None:
    assert check_json(draft('{"age": 7}', parameters=asked_for(AGE))).score == 1.0


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (3.0, {"type": "integer"}, True),
        (None, {"type": ["string", "null"]}, True),
        ("b", {"enum": ["a", "b"]}, True),
        (1, {"enum": [True]}, False),
        ([1, "a"], {"items": {"type": "integer"}}, False),
        ([1, "a"], {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}, True),
        ([1, "a", 2], {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}, False),
        ({"k": {"k": {}}}, {"$defs": {"n": {"type": "object", "additionalProperties": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}, True),
        ({"k": {"k": 1}}, {"$defs": {"n": {"type": "object", "additionalProperties": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}, False),
        (5, {"anyOf": [{"type": "string"}, {"minimum": 4}]}, True),
        (5, {"oneOf": [{"minimum": 3}, {"minimum": 4}]}, False),
        (5, {"allOf": [{"minimum": 3}, {"maximum": 4}]}, False),
        (5, {"not": {"type": "integer"}}, False),
        ("abc", {"maxLength": 2}, False),
        ([1, 2], {"minItems": 3}, False),
        ("x", {"pattern": "(a+)+$"}, True),
        (1, {"type": "unheard-of"}, False),
        (1, {"minimum": "nonsense", "enum": "nonsense", "allOf": 3, "$ref": "#/nowhere"}, True),
    ],
)
def test_the_schema_subset_judges_as_json_schema_does(value: object, schema: dict[str, Any], fits: bool) -> None:
    assert (schema_fault(value, schema=schema) == "") is fits


def test_a_schema_that_refers_to_itself_or_branches_without_end_is_given_up_in_time() -> None:
    endless = {"$ref": "#"}
    branching: dict[str, Any] = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "type": "string"}
    start = process_time()
    assert schema_fault(1, schema=endless) == ""
    schema_fault(1, schema=branching)
    assert process_time() - start < 0.5


def test_deep_json_is_refused_by_the_parser_and_not_by_a_crash(draft: MakeDraft) -> None:
    assert parse_json("[" * 100_000 + "]" * 100_000)[1] == "nested too deep"
    assert check_json(draft("[" * 500_000, parameters=OBJECT)).fatal


@pytest.mark.parametrize("text", ['{"a": "\ud800"}', "\x00", '{"a": ' + "9" * 5_000 + "}"])
def test_odd_json_does_not_raise(draft: MakeDraft, text: str) -> None:
    check_json(draft(text, parameters=OBJECT))


def test_a_prompt_that_speaks_of_json_makes_broken_json_suspect(draft: MakeDraft) -> None:
    prompt = "Answer in JSON format."
    assert check_json(draft('```json\n{"a": }\n```', prompt=prompt)).score < 0.5
    assert check_json(draft('```json\n{"a": "two\nlines"}\n```', prompt=prompt)).score == 1.0


def test_a_tool_call_that_matches_is_a_fine_answer(draft: MakeDraft) -> None:
    assert check_tools(draft(None, tool_calls=calling("weather", '{"city": "Rome"}'), parameters={"tools": [WEATHER]})).score == 1.0


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("weather", '{"city": ', "not valid JSON"),
        ("weather", "[]", "not a JSON object"),
        ("weather", '{"city": 7}', "$.city should be string"),
        ("weather", "", "$.city is missing"),
        ("launch", "{}", "not among the offered tools"),
    ],
)
def test_a_tool_call_that_cannot_be_carried_out_rejects(draft: MakeDraft, name: str, arguments: str, words: str) -> None:
    check = check_tools(draft(None, tool_calls=calling(name, arguments), parameters={"tools": [WEATHER]}))
    assert check.fatal
    assert words in check.reason


def test_tool_choice_is_obeyed(draft: MakeDraft) -> None:
    tools = {"tools": [WEATHER]}
    named = {"type": "function", "function": {"name": "weather"}}
    assert check_tools(draft("It is sunny.", parameters={**tools, "tool_choice": "required"})).fatal
    assert check_tools(draft("It is sunny.", parameters={**tools, "tool_choice": named})).fatal
    assert check_tools(draft("It is sunny.", parameters={**tools, "tool_choice": "auto"})).score == 1.0
    assert check_tools(draft(None, tool_calls=calling("weather", '{"city": "Rome"}'), parameters={**tools, "tool_choice": "none"})).fatal


@pytest.mark.parametrize("calls", [[None], ["x"], [{}], [{"function": None}], [{"function": {"name": ["x"]}}]])
def test_malformed_tool_calls_reject_without_raising(draft: MakeDraft, calls: list[Any]) -> None:
    assert check_tools(draft(None, tool_calls=calls, parameters={"tools": [WEATHER, None, {"function": 3}]})).fatal
