"""JSON as strangers send it: bounded in size, depth and width, and without values that no database column can hold."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

MAX_DEPTH, MAX_NODES, MAX_DIGITS = 32, 10_000, 400


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = "The body is larger than this API takes. Send less at a time."


class StrictJSONParser(BaseParser):
    """Refuses what `json` lets through: duplicate keys, NaN, 1e999, endless nesting, NUL characters and half characters."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise BodyTooLarge
        try:
            data = json.loads(
                body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant, parse_float=_decimal, parse_int=_integer
            )
        except RecursionError:
            raise ParseError(f"The JSON is nested more than {MAX_DEPTH} levels deep.") from None
        except ValueError as wrong:
            raise ParseError(f"The body is not JSON that this API takes: {wrong}.") from wrong
        _check(data)
        return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)[:60]!r} is given twice")
    return made


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _decimal(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"{text[:40]}… is too large")
    return int(text)


def _check(data: Any) -> None:
    """Walk the value level by level: how deep, how many, and is each text one that can be stored?"""
    level, nodes = [data], 0
    for _ in range(MAX_DEPTH + 1):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise ParseError(f"The JSON holds more than {MAX_NODES} values. Send less at a time.")
        for value in level:
            if isinstance(value, str):
                _check_text(value)
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise ParseError(f"The JSON is nested more than {MAX_DEPTH} levels deep.")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _check_text(text: str) -> None:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError("A text holds a NUL character or half of a character (a lone surrogate), which cannot be stored. Leave it out.")
