"""The one door to httpx: posts to an address that a tenant named, once, in a thread, and comes back within the time it was given.

The name is resolved once, every address it has is judged (tenants/addresses.py), and the connection goes to one that was judged: nothing
is resolved again behind the guard. No redirect is followed, no proxy or .netrc of the environment is used, no cookie is kept, nothing is
unpacked. A receiver that drips, babbles or never ends its headers is left when the time or the bytes are used up.
"""

import socket
import ssl
import threading
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any

import httpcore
import httpx
from msgspec import Struct

from tenants.addresses import AddressForbidden, AddressGuard

Resolve = Callable[[str, int], Sequence[str]]
MOST_BYTES_IN = 256 * 1024
"""Of everything that comes back, headers too."""
MOST_BYTES_KEPT = 4096
BODY_S = 2.0
"""The status is what counts: once it is there, the body is waited for no longer than this."""
READ_BYTES = 16 * 1024
CANNOT = "it cannot be reached"


class Undelivered(Exception):
    """No status came back. The message says why, in words that tell nothing of the network behind us."""


class Reply(Struct, frozen=True, kw_only=True):
    """What came back: the status, the headers (names in lower case) and the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def system_addresses(host: str, port: int) -> Sequence[str]:
    return [str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def post(
    *, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, allow_private: Sequence[str] = (), resolve: Resolve = system_addresses
) -> Reply:
    """Post the body once and return what came back, whatever its status. A redirect is an answer, too.

    `timeout_s` is for everything together, from the name to the last byte; `allow_private` as for AddressGuard. Raises Undelivered.
    """
    limits = Limits(ends_at=monotonic() + timeout_s, bytes_left=MOST_BYTES_IN)
    door = GuardedTransport(guard=AddressGuard(allow_private=allow_private), limits=limits, resolve=resolve)
    sent = {"accept-encoding": "identity", "user-agent": "cascadeflow", "connection": "close", **headers}
    try:
        with (
            httpx.Client(transport=door, trust_env=False, follow_redirects=False, timeout=timeout_s) as client,
            client.stream("POST", url, headers=sent, content=body) as response,
        ):
            limits.ends_at = min(limits.ends_at, monotonic() + BODY_S)
            return Reply(
                status=response.status_code, headers={name.lower(): value for name, value in response.headers.items()},
                body=_beginning(response.iter_raw()),
            )
    except (httpx.TimeoutException, httpcore.TimeoutException):
        words = f"no answer within {timeout_s:g} s" if limits.connected else CANNOT
    except (httpx.HTTPError, httpx.InvalidURL, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError):
        words = (limits.problem or "it broke off, or did not answer as HTTP") if limits.connected else CANNOT
    # Raised here and not in the block above: a traceback that chains the error would carry the address and the headers.
    raise Undelivered(words)


def _beginning(portions: Iterator[bytes]) -> bytes:
    """Return what comes of the body until enough is there, or the time is over: its sender has said the status already."""
    kept = bytearray()
    try:
        for portion in portions:
            kept += portion
            if len(kept) >= MOST_BYTES_KEPT:
                break
    except (httpx.HTTPError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return bytes(kept[:MOST_BYTES_KEPT])


class Limits(Struct, kw_only=True):
    """What one post may still take."""

    ends_at: float
    """By the monotonic clock."""
    bytes_left: int
    connected: bool = False
    problem: str = ""
    """What is known to be wrong, in words for people."""

    def left_s(self, wanted: float | None) -> float:
        """Return how long the next step may take. Raises httpcore.ReadTimeout when nothing is left."""
        left = self.ends_at - monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time is over")
        return left if wanted is None else min(left, wanted)


class GuardedTransport(httpx.BaseTransport):
    """httpx over an httpcore pool whose connections are judged and limited."""

    def __init__(self, *, guard: AddressGuard, limits: Limits, resolve: Resolve) -> None:
        backend = GuardedBackend(guard=guard, limits=limits, resolve=resolve)
        self._pool = httpcore.ConnectionPool(ssl_context=tls(), network_backend=backend, max_connections=1, http2=False, retries=0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path)
        answer = self._pool.handle_request(
            httpcore.Request(request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions)
        )
        stream = Portions(typing.cast("Iterable[bytes]", answer.stream))
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class Portions(httpx.SyncByteStream):
    def __init__(self, inner: Iterable[bytes]) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        closing_inner = getattr(self._inner, "close", None)
        if closing_inner is not None:
            closing_inner()


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to judged addresses alone."""

    def __init__(self, *, guard: AddressGuard, limits: Limits, resolve: Resolve) -> None:
        self._guard, self._limits, self._resolve = guard, limits, resolve

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        """A mixed answer of the resolver is an attack, not a choice: one forbidden address refuses the name."""
        addresses = self._addresses(host, port)
        try:
            for address in addresses:
                self._guard.check(address=address.partition("%")[0], port=port)
        except AddressForbidden as forbidden:
            raise httpcore.ConnectError("not an allowed address") from forbidden
        failure: OSError | None = None
        for address in addresses:
            try:
                made = socket.create_connection((address, port), timeout=self._limits.left_s(timeout))
            except OSError as failed:
                failure = failed
                continue
            self._limits.connected = True
            return LimitedStream(made, limits=self._limits)
        raise httpcore.ConnectError("no address answers") from failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        """Resolve in a thread of its own: the system's resolver knows no time limit and cannot be ended."""
        found: list[str] = []
        resolving = threading.Thread(target=self._look_up, args=(host, port, found), daemon=True, name="resolving")
        resolving.start()
        resolving.join(self._limits.left_s(None))
        if not found:
            raise httpcore.ConnectError("the name has no address")
        return tuple(found)

    def _look_up(self, host: str, port: int, found: list[str]) -> None:
        try:
            found.extend(self._resolve(host, port))
        except (OSError, UnicodeError):
            return


class LimitedStream(httpcore.NetworkStream):
    """A connection whose every step ends in time, and which takes in no more than the limits say."""

    def __init__(self, connection: socket.socket, *, limits: Limits) -> None:
        self._connection, self._limits = connection, limits

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._connection.settimeout(self._limits.left_s(timeout))
        try:
            taken = self._connection.recv(min(max_bytes, READ_BYTES))
        except TimeoutError as over:
            raise httpcore.ReadTimeout("nothing came in time") from over
        except OSError as broken:
            raise httpcore.ReadError("it broke off") from broken
        self._limits.bytes_left -= len(taken)
        if self._limits.bytes_left < 0:
            raise httpcore.ReadError("it sends too much")
        return taken

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._connection.settimeout(self._limits.left_s(timeout))
        try:
            self._connection.sendall(buffer)
        except TimeoutError as over:
            raise httpcore.WriteTimeout("it does not read") from over
        except OSError as broken:
            raise httpcore.WriteError("it broke off") from broken

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The certificate must be the name's, whatever address it leads to."""
        self._connection.settimeout(self._limits.left_s(timeout))
        try:
            wrapped = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except TimeoutError as over:
            self.close()
            raise httpcore.ConnectTimeout("no handshake in time") from over
        except ssl.SSLCertVerificationError as wrong:
            self.close()
            self._limits.problem = "its certificate is not accepted"
            raise httpcore.ConnectError("no valid certificate") from wrong
        except OSError as broken:
            self.close()
            raise httpcore.ConnectError("no handshake") from broken
        return LimitedStream(wrapped, limits=self._limits)

    def get_extra_info(self, info: str) -> Any:
        return self._connection if info == "socket" else None


__all__ = ["Reply", "Undelivered", "post", "system_addresses"]
