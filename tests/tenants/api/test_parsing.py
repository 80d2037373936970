"""JSON as strangers send it."""

import pytest
from django.conf import settings

from tests.cast import Cast
from tests.rest import Rest

HOSTILE = {
    "no JSON": b"{name: 1}",
    "empty": b"",
    "cut off": b'{"name": "gold"',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "infinite by size": b'{"name": 1e999}',
    "endless digits": b'{"name": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"name": "gold", "name": "silver"}',
    "NUL": b'{"name": "go\\u0000ld"}',
    "NUL in a key": b'{"na\\u0000me": "gold"}',
    "half a character": b'{"name": "\\ud800"}',
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 40 + b"1" + b"}" * 40,
    "many values": b'{"name": [' + b"1," * 20_000 + b"1]}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_are_refused_with_a_reason(cast: Cast, body: bytes) -> None:
    answer = Rest(cast.acme_admin_key).generic("POST", "tiers/", body, content_type="application/json")
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) > 10


def test_a_body_that_is_too_large_is_refused_unread(cast: Cast) -> None:
    body = b'{"name": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    answer = Rest(cast.acme_admin_key).generic("POST", "tiers/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=bz2_codec"])
def test_other_kinds_of_bodies_are_refused(cast: Cast, kind: str) -> None:
    answer = Rest(cast.acme_admin_key).generic("POST", "tiers/", b"name=gold", content_type=kind)
    assert answer.status_code in (400, 415)


def test_text_in_any_writing_passes(cast: Cast) -> None:
    made = Rest(cast.acme_admin_key).make("tiers/", name="gold", title="Größe 大 😀 \\u0000")
    assert made["title"] == "Größe 大 😀 \\u0000"
