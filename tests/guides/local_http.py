"""Services that the examples call, on 127.0.0.1 in a thread of the test's process."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.live import Quiet, listening

Answer = Callable[[str, dict[str, str], Mapping[str, str]], tuple[int, Any]]
"""Path, query and headers of a GET -> status and JSON."""


@contextlib.contextmanager
def served(answer: Answer) -> Iterator[str]:
    """The address of a server that answers every GET so."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            status, told = answer(address.path, dict(parse_qsl(address.query)), self.headers)
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as address:
        yield address
