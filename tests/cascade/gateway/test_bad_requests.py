"""What cannot be answered as asked: the reply names the field and says what to change. Nothing is held for it."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tenants.models import Tenant
from tenants.scoping import platform_scope
from tests.stage import Stage

HI = [{"role": "user", "content": "hi"}]
MEGABYTES = 5 * 1024 * 1024


def error_of(reply: httpx.Response, status: int) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert len(error["message"]) > 10
    assert error["code"]
    return error


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b"[]", "invalid_json", None),
        (b'{"model": "steady", "messages": "\xff"}', "invalid_json", None),
        (b'{"model": "steady", "messages": [{"role": "user", "content": "\\ud800"}]}', "invalid_json", None),
        (b'{"model": "steady", "messages": ' + b"[" * 100_000, "invalid_json", None),
        ({"messages": HI}, "invalid_type", "model"),
        ({"model": "steady"}, "invalid_type", "messages"),
        ({"model": "steady", "messages": []}, "invalid_type", "messages"),
        ({"model": "", "messages": HI}, "invalid_type", "model"),
        ({"model": 5, "messages": HI}, "invalid_type", "model"),
        ({"model": "steady", "messages": ["hi"]}, "invalid_type", "messages[0]"),
        ({"model": "steady", "messages": [{"role": "robot", "content": "hi"}]}, "invalid_value", "messages[0].role"),
        ({"model": "steady", "messages": [{"role": "user", "content": 5}]}, "invalid_type", "messages[0].content"),
        ({"model": "steady", "messages": HI, "temperature": 3}, "invalid_type", "temperature"),
        ({"model": "steady", "messages": HI, "max_tokens": 0}, "invalid_type", "max_tokens"),
        ({"model": "steady", "messages": HI, "stream": "yes"}, "invalid_type", "stream"),
        ({"model": "steady", "messages": HI, "stop": ["a"] * 5}, "invalid_type", "stop"),
        ({"model": "steady", "messages": HI, "n": 2}, "unsupported_value", "n"),
        ({"model": "steady", "messages": HI, "n": 0}, "unsupported_value", "n"),
        ({"model": "steady", "messages": HI, "user": " "}, "invalid_value", "user"),
        ({"model": "steady", "messages": HI, "user": "ann\x00"}, "invalid_request", "user"),
        ({"model": "steady", "messages": HI, "user": "ann\nben"}, "invalid_request", "user"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"tags": ["a\x00b"]}}, "invalid_request", "tags"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"tags": ["a"] * 11}}, "invalid_type", "cascadeflow.tags"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"domain": "x\r\nset-cookie: a=b"}}, "invalid_request", "domain"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"tier": "gold"}}, "invalid_request", "user_tier"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"colour": "red"}}, "invalid_type", "cascadeflow"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"max_cost": "-1"}}, "invalid_value", "cascadeflow.max_cost"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"max_cost": "much"}}, "invalid_value", "cascadeflow.max_cost"),
        ({"model": "steady", "messages": HI, "cascadeflow": {"max_cost": "1e9999999"}}, "invalid_value", "cascadeflow.max_cost"),
        ({"model": "steady", "messages": HI, "chat_template": "x"}, "unknown_field", "chat_template"),
    ],
)
def test_a_wrong_body_is_answered_with_the_field_and_what_it_must_be(live_cast: Stage, body: Any, code: str, param: str | None) -> None:
    error = error_of(live_cast.post(body), 400)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert live_cast.holds() == []


@pytest.mark.parametrize(
    ("header", "value", "param"),
    [
        ("x-cascadeflow-domain", "d" * 100, "domain"),
        ("x-cascadeflow-domain", "no domain", "domain"),
        ("x-cascadeflow-tier", "gold", "user_tier"),
        ("x-cascadeflow-tags", ",".join(map(str, range(11))), "X-CascadeFlow-Tags"),
    ],
)
def test_a_wrong_header_is_answered_as_the_field_would_be(live_cast: Stage, header: str, value: str, param: str) -> None:
    assert error_of(live_cast.post(headers={header: value}), 400)["param"] == param
    assert live_cast.holds() == []


def test_an_amount_of_few_characters_and_very_many_digits_does_not_hold_up_the_site(live_cast: Stage) -> None:
    began = time.monotonic()
    error_of(live_cast.post(cascadeflow={"max_cost": "1e999990"}), 400)
    assert time.monotonic() - began < 2


def test_the_official_client_raises_bad_request_for_two_answers_at_once(live_cast: Stage) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        live_cast.ask("steady", n=2)
    assert (refused.value.code, refused.value.param) == ("unsupported_value", "n")
    assert "Send several requests" in refused.value.message


def test_a_field_that_openai_does_not_document_passes_where_the_account_allows_it(live_cast: Stage) -> None:
    with platform_scope():
        Tenant.objects.filter(id=live_cast.cast.acme.id).update(allow_undocumented_fields=True)
    live_cast.ask("scripted", extra_body={"chat_template": "x"})
    assert live_cast.asked()[0]["chat_template"] == "x"


def test_a_model_or_preset_that_is_not_there_is_404_and_lists_what_is(live_cast: Stage) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        live_cast.ask("gpt-9")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert "production_ready" in missing.value.message
    assert "demo-large" in missing.value.message


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/chat", "/v1/", "/v1//chat/completions"])
def test_a_path_that_is_not_there_is_404_and_says_what_is(live_cast: Stage, path: str) -> None:
    with live_cast.http() as client:
        error = error_of(client.post(path, json={}), 404)
    assert error["code"] == "unknown_path"
    assert "POST /v1/chat/completions" in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", "/v1/chat/completions", "POST"), ("DELETE", "/v1/models", "GET"), ("POST", "/v1/models/auto", "GET")]
)
def test_a_method_that_is_not_taken_is_405_and_says_which_is(live_cast: Stage, method: str, path: str, allow: str) -> None:
    with live_cast.http() as client:
        reply = client.request(method, path)
    assert error_of(reply, 405)["code"] == "method_not_allowed"
    assert reply.headers["allow"] == allow


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_five_megabytes_is_413_and_its_sender_gets_to_read_why(live_cast: Stage, chunked: bool) -> None:
    body = json.dumps({"model": "steady", "messages": [{"role": "user", "content": "x" * MEGABYTES}]}).encode()

    def parts() -> Iterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    with live_cast.http() as client:
        for _ in range(3):
            reply = client.post("/v1/chat/completions", content=parts() if chunked else body)
            error = error_of(reply, 413)
            assert error["code"] == "body_too_large"
            assert "4,194,304 bytes" in error["message"]
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("steady", "x" * MEGABYTES)
    assert refused.value.status_code == 413


def test_a_body_that_is_announced_as_endless_is_refused_unread(live_cast: Stage) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {live_cast.cast.acme_key}\r\ncontent-length: 99999999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live_cast.site.port), timeout=5) as sender:
        sender.sendall(head.encode())
        assert sender.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_a_compressed_body_is_415(live_cast: Stage) -> None:
    error = error_of(live_cast.post(b"\x1f\x8b", headers={"content-encoding": "gzip"}), 415)
    assert error["code"] == "unsupported_encoding"


def test_headers_beyond_measure_are_refused(live_cast: Stage) -> None:
    reply = live_cast.post(headers={f"x-{number}": "y" * 8000 for number in range(10)})
    assert reply.status_code in (400, 413, 431)
