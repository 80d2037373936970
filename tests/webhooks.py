"""The receiver's side of a signed webhook, written from the standard and not from our own code."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.live import Quiet, listening


def verified(headers: dict[str, str], body: bytes, *, secret: str) -> bool:
    """Is one of the signatures made with the secret, as standardwebhooks.com says?"""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" "))


@dataclass
class Receiver:
    """The tenant's own service: answers what the test says, and keeps what it was sent."""

    url: str = ""
    reply: Any = field(default_factory=lambda: {"action": "allow"})
    status: int = 200
    statuses: list[int] = field(default_factory=list)
    """Of the next answers, one after the other; then `status`."""
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def context(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.asked[-1][1])["data"]
        return told


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if kept.gate is not None:
                kept.gate.wait(10)
            reply = kept.reply if isinstance(kept.reply, bytes) else json.dumps(kept.reply).encode()
            self.send_response(kept.statuses.pop(0) if kept.statuses else kept.status)
            for name, value in kept.headers.items():
                self.send_header(name, value)
            self.send_header("location", "http://169.254.169.254/")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

    with listening(Handler) as address:
        kept.url = f"{address}/check"
        yield kept
        if kept.gate is not None:
            kept.gate.set()
