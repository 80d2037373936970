"""Receivers that misbehave, byte by byte: each connection is handed to a function of the test, in a thread of its process."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Raw:
    port: int
    visits: list[int] = field(default_factory=list)


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[Raw]:
    """Listen on 127.0.0.1 until the block ends; every connection counts as a visit."""
    listener = socket.create_server(("127.0.0.1", 0))
    raw = Raw(listener.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            raw.visits.append(1)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            talk(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield raw
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def request_of(connection: socket.socket) -> bytes:
    """Read one request, headers and body."""
    taken = b""
    while b"\r\n\r\n" not in taken:
        portion = connection.recv(65536)
        if not portion:
            return taken
        taken += portion
    head, _, body = taken.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
