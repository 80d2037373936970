"""The door to tenants' addresses: where it goes, where it never goes, and that it comes back in time."""

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tenants.outbound import MOST_BYTES_KEPT, Reply, Undelivered, post
from tests.raw import raw_server, request_of

LOCAL = ["127.0.0.0/8"]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
VALID = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
SPELLINGS = [
    "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "①②⑦.⓪.⓪.①", "localhost", "localhost.", "LOCALHOST",
    "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "0", "[::]", "169.254.169.254",
    "[fe80::1]", "10.0.0.1", "[fd00:ec2::254]", "100.100.100.200",
]  # fmt: skip


def say(answer: bytes) -> Any:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(answer)

    return talk


def sent(port: int, *, host: str = "127.0.0.1", timeout_s: float = 5.0, allow_private: Sequence[str] = LOCAL, **options: Any) -> Reply:
    return post(
        url=f"http://{host}:{port}/in?key=SECRET", headers={"content-type": "application/json"}, body=b'{"a": 1}', timeout_s=timeout_s,
        allow_private=allow_private, **options,
    )


def test_what_is_posted_arrives_once_and_the_answer_comes_back() -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(OK)

    with raw_server(talk) as raw:
        reply = sent(raw.port)
        assert (reply.status, reply.body, reply.headers["content-length"], raw.visits) == (200, b"ok", "2", [1])
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /in?key=SECRET HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{raw.port}".lower().encode() in head.lower()
    assert b"accept-encoding: identity" in head.lower()
    assert body == b'{"a": 1}'


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_inner_address_reaches_a_listener(host: str) -> None:
    with raw_server(say(OK)) as raw:
        for prefix in ("http://", "https://"):
            with pytest.raises(Undelivered, match=r"^it cannot be reached$"):
                post(url=f"{prefix}{host}:{raw.port}/", headers={}, body=b"", timeout_s=2)
        assert not raw.visits


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["127.0.0.1", "1.1.1.1"], ["169.254.169.254"], ["::ffff:7f00:1"]])
def test_a_name_is_judged_by_all_its_addresses(addresses: list[str]) -> None:
    with raw_server(say(OK)) as raw:
        with pytest.raises(Undelivered, match=r"^it cannot be reached$"):
            sent(raw.port, host="rebind.example", allow_private=[], resolve=lambda host, port: addresses)
        assert not raw.visits


def test_a_name_is_resolved_once_so_it_cannot_turn_inward_afterwards() -> None:
    asked: list[str] = []

    def turning(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    with raw_server(say(OK)) as raw, pytest.raises(Undelivered):
        sent(raw.port, host="rebind.example", allow_private=["127.0.0.2/32"], resolve=turning)
    assert (asked, raw.visits) == (["rebind.example"], [])


def test_what_the_operator_allows_is_reached_at_that_port_alone() -> None:
    with raw_server(say(OK)) as raw:
        assert sent(raw.port, allow_private=[f"127.0.0.1/32:{raw.port}"]).status == 200
        with pytest.raises(Undelivered):
            sent(raw.port, allow_private=[f"127.0.0.1/32:{raw.port + 1}"])
        assert raw.visits == [1]


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with raw_server(say(OK)) as inner:
        answer = f"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{inner.port}/\r\ncontent-length: 0\r\n\r\n".encode()
        with raw_server(say(answer)) as outer:
            assert sent(outer.port).status == 307
        assert not inner.visits


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(say(OK)) as proxy, raw_server(say(OK)) as raw:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert sent(raw.port).status == 200
        assert not proxy.visits


def took(call: Any) -> float:
    began = time.monotonic()
    with pytest.raises(Undelivered):
        call()
    return time.monotonic() - began


def drip(portions: bytes, *, pause_s: float = 0.05) -> Any:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        for byte in portions:
            connection.sendall(bytes([byte]))
            time.sleep(pause_s)

    return talk


def test_a_receiver_that_drips_its_headers_is_left_when_the_time_is_over() -> None:
    with raw_server(drip(b"HTTP/1.1 200 OK\r\n" + b"x-filler: aaaaaaaaaa\r\n" * 100)) as raw:
        assert took(lambda: sent(raw.port, timeout_s=0.5)) < 2


def test_a_receiver_that_never_answers_is_left_and_the_words_say_how_long_it_had() -> None:
    with raw_server(lambda connection: time.sleep(5)) as raw, pytest.raises(Undelivered, match=r"^no answer within 0\.3 s$"):
        sent(raw.port, timeout_s=0.3)


def test_a_receiver_that_never_reads_is_left() -> None:
    with raw_server(lambda connection: time.sleep(5)) as raw:
        url = f"http://127.0.0.1:{raw.port}/"
        assert took(lambda: post(url=url, headers={}, body=b"x" * 50_000_000, timeout_s=0.5, allow_private=LOCAL)) < 3


def test_a_status_is_taken_though_the_body_drips_for_ever() -> None:
    with raw_server(drip(b"HTTP/1.1 204 No Content\r\n\r\n", pause_s=0)) as raw:
        assert sent(raw.port).status == 204

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nfirst words")
        time.sleep(5)

    with raw_server(talk) as raw:
        reply = sent(raw.port, timeout_s=0.5)
        assert (reply.status, reply.body) == (200, b"first words")


def test_of_a_giant_answer_the_beginning_is_kept_and_the_connection_closed() -> None:
    closed = threading.Event()

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        except OSError:
            closed.set()

    with raw_server(talk) as raw:
        reply = sent(raw.port)
        assert (reply.status, reply.body) == (200, b"a" * MOST_BYTES_KEPT)
        assert closed.wait(5)


@pytest.mark.parametrize("endless", [b"x-more: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", b"a"])
def test_headers_that_never_end_are_cut_off(endless: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(endless * 1000)

    with raw_server(talk) as raw, pytest.raises(Undelivered, match="it broke off, or did not answer as HTTP"):
        sent(raw.port, timeout_s=20)


def test_interim_answers_that_never_end_are_cut_off() -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)

    with raw_server(talk) as raw, pytest.raises(Undelivered):
        sent(raw.port, timeout_s=20)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02\x03\r\n\r\n", b"HTTP/1.1 banana\r\n\r\n"])
def test_what_does_not_answer_as_http_is_said_so_and_its_words_are_not_repeated(answer: bytes) -> None:
    with raw_server(say(answer)) as raw, pytest.raises(Undelivered) as failed:
        sent(raw.port)
    assert str(failed.value) == "it broke off, or did not answer as HTTP"
    assert failed.value.__cause__ is None


def test_a_bomb_is_not_unpacked() -> None:
    body = b"\x1f\x8b" + os.urandom(100)
    with raw_server(say(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 102\r\n\r\n" + body)) as raw:
        assert sent(raw.port).body == body


def test_a_resolver_that_hangs_costs_no_more_than_the_time_given() -> None:
    def hanging(host: str, port: int) -> Sequence[str]:
        time.sleep(3)
        return ["127.0.0.1"]

    assert took(lambda: sent(80, host="slow.example", timeout_s=0.3, resolve=hanging)) < 2


def self_signed(folder: Path) -> ssl.SSLContext:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, *VALID).sign(key, hashes.SHA256())
    path = folder / "both.pem"
    path.write_bytes(
        made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_nobody_vouches_for_is_said_and_nothing_is_sent(tmp_path: Path) -> None:
    context, seen = self_signed(tmp_path), []

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            seen.append(wrapped.recv(1))

    with raw_server(talk) as raw, pytest.raises(Undelivered, match=r"^its certificate is not accepted$"):
        post(url=f"https://127.0.0.1:{raw.port}/", headers={}, body=b"", timeout_s=5, allow_private=LOCAL)
    assert seen in ([], [b""])


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "http://a b/", "gopher://127.0.0.1/", "//127.0.0.1/", "http://\x00/", f"http://{'a' * 300}.example/"]
)
def test_an_address_that_is_none_fails_as_one_that_is_not_there(url: str) -> None:
    with pytest.raises(Undelivered, match=r"^it cannot be reached$"):
        post(url=url, headers={}, body=b"", timeout_s=2, allow_private=LOCAL)


def test_the_address_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_server(say(OK)) as raw:
        sent(raw.port)
    assert "SECRET" not in caplog.text
