"""`make run`: the whole site on one machine. Starts the database, migrates, makes the demo tenant, runs web and worker, and ends
them together."""

import argparse
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from cascadeflow_site import embedded

PID_FILE, LOG_FILE, DEMO_FILE = embedded.VAR / "serve.pid", embedded.VAR / "serve.log", embedded.VAR / "demo.json"
START_SECONDS, GRACE_SECONDS, STOP_SECONDS = 90, 30, 50
"""Calls under way are answered within the grace; runs that go on longer get ten seconds more, to be booked (cascade/runtime.py)."""
PR_SET_PDEATHSIG = 1


class CannotStart(RuntimeError):
    """Said to the person as it is, without a traceback."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make run", description="Run CascadeFlow: database, web and worker.")
    parser.add_argument("--detach", action="store_true", help="start in the background and return once it serves")
    parser.add_argument("--stop", action="store_true", help="end what runs in the background")
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    parser.add_argument("--workers", type=int, default=int(os.environ.get("WEB_CONCURRENCY") or min(4, os.cpu_count() or 1)))
    given = parser.parse_args()
    embedded.VAR.mkdir(exist_ok=True)
    try:
        if given.stop:
            stop()
        elif given.detach:
            detach(given)
        else:
            Site(host=given.host, port=given.port, workers=given.workers).run()
    except CannotStart as reason:
        sys.exit(f"CascadeFlow did not start: {reason}")


class Site:
    """Web and worker as children of this process; none outlives it."""

    def __init__(self, *, host: str, port: int, workers: int) -> None:
        self.host, self.port, self.workers = host, port, workers
        self.url = url_of(host, port)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.ending = False

    def run(self) -> None:
        refuse_second_start(self.host, self.port)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        PID_FILE.write_text(str(os.getpid()))
        try:
            self._prepare()
            self._start()
            self._wait()
        finally:
            self._stop()

    def _prepare(self) -> None:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
        os.environ.setdefault("HTTPS", "off")  # this address is http://
        os.environ.setdefault("SITE_URL", self.url)
        if embedded.is_wanted():
            say("Starting the embedded PostgreSQL ...")
            embedded.start()
        import django
        from django.conf import settings
        from django.core.management import call_command

        django.setup()
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        say("Migrating the database ...")
        call_command("migrate", verbosity=0)
        call_command("demo", url=self.url)

    def _start(self) -> None:
        say("Starting web and worker ...")
        python = sys.executable
        web = ["-m", "uvicorn", "cascadeflow_site.asgi:application", "--host", self.host, "--port", str(self.port), "--workers", str(self.workers)]
        web += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", str(GRACE_SECONDS), "--no-server-header"]
        worker = ["-m", "celery", "-A", "cascadeflow_site.celery", "worker", "-B", "--pool", "prefork", "--concurrency", "2", "--loglevel", "warning"]
        worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        for name, arguments in (("web", web), ("worker", worker)):
            self.children[name] = subprocess.Popen([python, *arguments], start_new_session=True, preexec_fn=_die_with_parent)  # noqa: S603

    def _wait(self) -> None:
        try:
            wait_until_healthy(self.url, alive=lambda: not self.ending and all(child.poll() is None for child in self.children.values()))
        except CannotStart:
            if self.ending:
                return
            raise
        announce(self.url)
        while not self.ending:
            for name, child in self.children.items():
                if child.poll() is not None:
                    raise CannotStart(f"the {name} process ended with status {child.returncode}; its last words are above.")
            time.sleep(0.3)

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self.ending = True

    def _stop(self) -> None:
        """Web first, so that calls under way are booked; the database ends with this process."""
        if self.children:
            say("Stopping ...")
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)


def detach(given: argparse.Namespace) -> None:
    """Start in the background; return when it serves."""
    refuse_second_start(given.host, given.port)
    with LOG_FILE.open("wb") as log:
        command = [sys.executable, "-m", "cascadeflow_site.serve", "--host", given.host, "--port", str(given.port), "--workers", str(given.workers)]
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    url = url_of(given.host, given.port)
    try:
        wait_until_healthy(url, alive=lambda: child.poll() is None)
    except CannotStart as reason:
        raise CannotStart(f"{reason}\nThe end of {LOG_FILE}:\n{_tail(LOG_FILE)}") from reason
    announce(url, stop="Stop it with:  make stop")


def url_of(host: str, port: int) -> str:
    """Return where to call what listens on `host`: on every interface means on this machine, too."""
    named = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{named}:{port}"


def stop() -> None:
    """End the site that runs in the background, if one does."""
    pid = running_pid()
    if pid is None:
        say("CascadeFlow is not running.")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 20
    while running_pid() == pid:
        if time.monotonic() > deadline:
            raise CannotStart(f"process {pid} does not end; look at {LOG_FILE}, then: kill -9 {pid}")
        time.sleep(0.1)
    say("CascadeFlow is stopped.")


def running_pid() -> int | None:
    """The process of the site, as long as it lives: the file stays behind, since the database ends after everything else."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(PID_FILE.read_text())
        if b"cascadeflow_site.serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def refuse_second_start(host: str, port: int) -> None:
    """Raises CannotStart when the site runs already, or something else has the port."""
    pid = running_pid()
    if pid not in (None, os.getpid(), os.getppid()):
        raise CannotStart(f"it runs already (process {pid}). End it with: make stop")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as taken:
            raise CannotStart(f"{host}:{port} cannot be used ({taken.strerror}). Choose another port: make run PORT={port + 1}") from taken


def wait_until_healthy(url: str, *, alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not alive():
            raise CannotStart("a part of it ended while starting; its last words are above.")
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.15)
    raise CannotStart(f"{url}/healthz did not answer within {START_SECONDS} s.")


def announce(url: str, *, stop: str = "Stop it with Ctrl-C.") -> None:
    demo = json.loads(DEMO_FILE.read_text())
    body = json.dumps({"model": "production_ready", "user": "ann", "messages": [{"role": "user", "content": "What is 17 + 25?"}]})
    say(
        f"""
CascadeFlow serves on {url}
  Console    {demo['console_url']}
  Log in     {demo['email']}  /  {demo['password']}
  API key    {demo['api_key']}
  Provider   {demo['provider']}{' (simulated answers: set OPENAI_API_KEY or another provider key for real ones)' if demo['simulated'] else ''}

Try it:
  curl {url}/v1/chat/completions -H 'Authorization: Bearer {demo['api_key']}' \\
    -H 'Content-Type: application/json' -d '{body}'

These facts are also in {DEMO_FILE.relative_to(Path.cwd()) if DEMO_FILE.is_relative_to(Path.cwd()) else DEMO_FILE}. {stop}
"""
    )


def _die_with_parent() -> None:
    """A killed supervisor leaves no orphans: the kernel tells its children."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _tail(path: Path, lines: int = 25) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
