"""A site that really runs, the providers behind it, and tenants whose rows stay: for tests that call over HTTP."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
PR_SET_PDEATHSIG = 1
SITE_ENVIRONMENT = {
    "HTTPS": "off", "SIMULATED_LATENCY_SCALE": "0", "SIMULATED_PROVIDER": "on", "ALLOW_PRIVATE_ENDPOINTS": "127.0.0.0/8", "LOG_LEVEL": "WARNING",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@dataclass
class Server:
    """A process of ours that listens on 127.0.0.1; `log()` is what it said."""

    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stats(self) -> dict[str, Any]:
        """What bench/upstream.py would bill."""
        told: dict[str, Any] = httpx.get(f"{self.url}/stats").json()
        return told

    def status(self, path: str) -> int | None:
        try:
            return httpx.get(f"{self.url}{path}", timeout=5).status_code
        except httpx.TransportError:
            return None


@contextlib.contextmanager
def serving(command: Sequence[str], *, port: int, ready: str, statuses: Sequence[int] = (200,), **environment: str) -> Iterator[Server]:
    """Run the command until the block ends. It is ready once GET `ready` answers with one of `statuses`; it dies with this process."""
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        path = Path(folder, "log")
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip
        server = Server(port, process, path)
        try:
            wait_until(lambda: process.poll() is not None or server.status(ready) in statuses, what=lambda: server.log(), seconds=START_SECONDS)
            assert process.poll() is None, f"{command} ended:\n{server.log()}"
            yield server
        finally:
            _end(process)


def site(*, workers: int = 1, statuses: Sequence[int] = (200,), **environment: str) -> contextlib.AbstractContextManager[Server]:
    """The whole site, as uvicorn serves it, on this worker's database."""
    port = free_port()
    command = ["-m", "uvicorn", "cascadeflow_site.asgi:application", "--port", str(port), "--workers", str(workers), "--no-access-log"]
    command += ["--log-level", "warning", "--timeout-graceful-shutdown", "5"]
    return serving(command, port=port, ready="/healthz", statuses=statuses, **{**SITE_ENVIRONMENT, **environment})


def upstream() -> contextlib.AbstractContextManager[Server]:
    """A provider that bills, and fails on demand."""
    port = free_port()
    return serving([str(ROOT / "bench/upstream.py"), "--port", str(port)], port=port, ready="/stats")


def wait_until(is_so: Callable[[], bool], *, what: Callable[[], str] = lambda: "", seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"this did not happen within {seconds:g} s. {what()}"
        time.sleep(0.02)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it in good order; what is left of its session goes the hard way."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


Part = Mapping[str, Any] | bytes | threading.Event
"""Of a scripted stream: a chunk, raw bytes, or an event that is waited for."""


@dataclass
class Script:
    """What the scripted provider answers to one model: a body, or a stream of parts."""

    body: Mapping[str, Any] | bytes = b""
    parts: Sequence[Part] = ()
    status: int = 200
    gate: threading.Event | None = None
    """Waited for before a whole answer is sent."""
    bodies: Sequence[Mapping[str, Any] | bytes] = ()
    """One after the other, the last one again and again; in place of `body`."""
    sent: int = 0


@dataclass
class ScriptedProvider:
    """Answers each model with what a test wrote for it, and keeps what it was asked. Runs in a thread of the test's process."""

    url: str = ""
    scripts: dict[str, Script] = field(default_factory=dict)
    asked: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The credentials that came along."""


@contextlib.contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on 127.0.0.1 whose requests the handler answers, in threads of the test's process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes no log."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def scripted_provider() -> Iterator[ScriptedProvider]:
    provider = ScriptedProvider()

    class Handler(Quiet):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            provider.asked[asked["model"]].append(asked)
            provider.keys[asked["model"]].append(self.headers.get("authorization", ""))
            script = provider.scripts[asked["model"]]
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                _stream(self, script.parts) if asked.get("stream") else _whole(self, script)

    with listening(Handler) as address:
        provider.url = f"{address}/v1"
        yield provider


def _whole(handler: BaseHTTPRequestHandler, script: Script) -> None:
    if script.gate is not None:
        script.gate.wait(30)
    chosen = script.bodies[min(script.sent, len(script.bodies) - 1)] if script.bodies else script.body
    script.sent += 1
    body = chosen if isinstance(chosen, bytes) else json.dumps(chosen).encode()
    handler.send_response(script.status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _stream(handler: BaseHTTPRequestHandler, parts: Sequence[Part]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    for part in parts:
        if isinstance(part, threading.Event):
            part.wait(30)
        else:
            handler.wfile.write(part if isinstance(part, bytes) else f"data: {json.dumps(part)}\n\n".encode())
            handler.wfile.flush()


def answer(
    content: str | None = "Your order left the warehouse on Tuesday.", *, finish_reason: str = "stop", usage: Any = (11, 7), **message: Any
) -> dict[str, Any]:
    """A chat completion as a provider sends it."""
    reply: dict[str, Any] = {
        "id": "chatcmpl-theirs", "object": "chat.completion", "created": 1, "model": "theirs",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish_reason}],
    }
    return {**reply, "usage": _usage(usage)} if usage else reply


def chunk(content: str | None = None, *, finish_reason: str | None = None, usage: Any = None, **delta: Any) -> dict[str, Any]:
    """One chunk of a stream as a provider sends it; with usage, the last one, without choices."""
    frame = {"id": "chatcmpl-theirs", "object": "chat.completion.chunk", "created": 1, "model": "theirs"}
    if usage:
        return {**frame, "choices": [], "usage": _usage(usage)}
    words = {"content": content} if content is not None else {}
    return {**frame, "choices": [{"index": 0, "delta": {**words, **delta}, "finish_reason": finish_reason}]}


def _usage(counts: Any) -> Any:
    if not isinstance(counts, tuple):
        return counts
    return {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}


DONE = b"data: [DONE]\n\n"
